/* Who asks: what the kernel says of the peer of a connection, and what a certificate says that was
   verified. Nothing that the client says. */
#ifndef PROXY_IDENTITY_H
#define PROXY_IDENTITY_H

#include "certificate.h"
#include "policy.h"

#include "peer_container.h"

#include <sys/socket.h>

enum peer_container_state {
    PEER_CONTAINER_ASKED = 0, /* its cgroups name one, and the daemon has not told of it yet */
    PEER_CONTAINER_NONE,      /* in none that this daemon has, or out of sight */
    PEER_CONTAINER_KNOWN,
    PEER_CONTAINER_UNCLEAR /* why says what is amiss */
};

struct peer_question; /* what is needed until the daemon has answered; see who.c */

/* The container of a Unix peer. It keeps image and labels for its life, so nothing is asked twice.
 */
struct peer_container {
    enum peer_container_state state;
    int status;                       /* of the refusal, when it is unclear */
    char why[320];                    /* a sentence */
    char id[CONTAINER_ID_LENGTH + 1]; /* as its cgroups say; "": in none */
    struct str name;                  /* without slash; of a known one, as are the others */
    struct str image, image_id;
    struct client_label *labels;
    size_t label_count;
    struct arena arena;             /* has these texts */
    struct peer_question *question; /* NULL: settled */
};

struct identity {
    bool unix_peer;
    bool fresh;                       /* accepted this moment */
    uint32_t uid, gid;                /* of a Unix peer, as of its connect() */
    int32_t pid;                      /* 0: not visible from here (another pid namespace) */
    char *address;                    /* of a TCP peer, "10.0.0.1" or "fd00::1"; else NULL. Owned */
    const char *listener;             /* as given to --host; owned by the configuration */
    struct certificate *certificate;  /* verified; NULL: none. Owned */
    struct peer_container *container; /* NULL: nobody has asked. Owned */
};

/* To be called once, at start, while /proc can be read: which numbers of peers stand for everybody
   who has none here. */
void identity_learn_numbers(void);
/* fd is connected; address as accept() gave it. False: out of memory, or the kernel does not say
   who a Unix peer is. */
bool identity_read(int fd, const struct sockaddr_storage *address, const char *listener,
                   struct identity *out);
void identity_free(struct identity *identity);
/* Of a TCP peer; else "". Borrowed. */
const char *identity_address(const struct identity *identity);
/* See who.c. container may be NULL. */
void peer_container_free(struct peer_container *container);
/* The same as the policy asks for it; texts are borrowed from identity. */
struct client_identity identity_client(const struct identity *identity);
/* Appends the members of the audit line's "peer" object. */
void identity_write(const struct identity *identity, struct json_out *out);

#endif
