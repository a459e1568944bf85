/* One target of the audit log: a file, a pipe or terminal, or a socket. It takes lines that are
   chained already, whole or not at all; what a line holds, and the chain, are not known here. */
#ifndef PROXY_AUDIT_OUTPUT_H
#define PROXY_AUDIT_OUTPUT_H

#include "audit_socket.h"
#include "log.h"

struct audit_output {
    int fd;
    bool regular;   /* a half line can be cut off again */
    bool polls;     /* poll() tells whether it has room: a pipe, a socket, a terminal */
    bool is_socket; /* takes datagrams; socket is set */
    bool failing;   /* the failure has been logged */
    bool foreign;   /* so has that somebody else writes here */
    bool unended;   /* the next line needs a line end before it */
    int error;      /* errno of the failure */
    off_t size;     /* regular: as far as we know */
    char *rest;     /* end of a line that a pipe took only in part; goes before the next; owned */
    size_t rest_length;
    const char *path; /* of a file, to make it again; NULL: standard output. Borrowed */
    char name[256];   /* for messages */
    struct audit_socket socket;
    struct log_limit said_failing, said_written;
};

/* "-", a socket's name, or a file, which is made with mode 0600. path must live as long as the
   output. False with err set. */
bool audit_output_open(struct audit_output *output, const char *path, struct err *err);
void audit_output_close(struct audit_output *output);

/* How the lines end that stand there already; AUDIT_END_EMPTY where none can be read. False: err
   says why nothing can be added. */
bool audit_output_read_end(struct audit_output *output, struct audit_hasher *hasher,
                           struct audit_end *end, struct err *err);

/* Before a write: a file that was removed is made again, one that was cut is said. False: errno
   says why it cannot be written. */
bool audit_output_look(struct audit_output *output);
/* Writes whole lines. done: bytes of those that are in it, or will be before any other. False:
   errno says why not all are. */
bool audit_output_write(struct audit_output *output, struct str lines, size_t *done);
/* Logs a failure once, and its end. error 0: all was written. */
void audit_output_tell(struct audit_output *output, int error);
/* A phrase for that error. */
const char *audit_output_why(int error);
/* Could a line be written, as far as that can be told without writing one? */
bool audit_output_can_write(struct audit_output *output);

/* Are these one file? */
bool audit_output_same_file(const struct audit_output *a, const struct audit_output *b);
/* Is it a file with a name, which a reload opens again? */
bool audit_output_is_replaced(const struct audit_output *output);
/* The file of that name once more, or -1 with err set; nothing has changed yet. */
int audit_output_open_again(const struct audit_output *output, struct err *err);
/* Takes that file from now on; returns the old one, to be closed. */
int audit_output_replace(struct audit_output *output, int fd);

#endif
