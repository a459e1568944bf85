/* The audit log: one JSON object a line. A loop collects the lines of one turn in a batch; the sink
   chains and writes a batch whole, under one lock, before any request of that turn goes on. */
#ifndef PROXY_AUDIT_H
#define PROXY_AUDIT_H

#include "err.h"
#include "json.h"

#include <sys/types.h>

struct audit_sink; /* shared by all loops; has its own lock */

enum { AUDIT_TARGETS_MAX = 8 };

/* Each target: "-" standard output, "none", "syslog" or "journald" (behind a colon another socket),
   or a file (appended to, made with mode 0600). The names must live as long as the sink. NULL with
   err set when one cannot be opened. */
struct audit_sink *audit_open(const char *const *targets, size_t count, struct err *err);
void audit_close(struct audit_sink *sink);
/* Is that target a file's name? */
bool audit_target_is_file(const char *name);
/* Was the target of this name a regular file when it was opened? Whatever its name leads to now: a
   rotation may have moved it away meanwhile. */
bool audit_target_is_regular(const struct audit_sink *sink, const char *name);
/* Opens the files again, by their names: a file that was moved away gets no further lines, none is
   lost or torn between the two, and the chain goes on. Sockets are connected again; pipes,
   terminals and standard output stay. False with err set: all stay as they are. */
bool audit_reopen(struct audit_sink *sink, struct err *err);
/* Is any target a file? */
bool audit_has_files(const struct audit_sink *sink);
/* Gives files that belong to root alone to another user, who may then open them again. */
void audit_give(struct audit_sink *sink, uid_t uid, gid_t gid);
/* Writes whole lines, each one JSON object without prev and hash, which are added (audit_chain.h),
   to every target. False: they are not all in each (the reason has been logged once, and a line
   `lost` will say how many); no half line is left behind where a target is a file. */
bool audit_write(struct audit_sink *sink, struct str lines);
/* So many lines could not be kept, for want of memory: every target lacks them, and says so. */
void audit_lose(struct audit_sink *sink, uint64_t lines);

/* Lines since the start, from any thread. */
struct audit_counts {
    uint64_t written; /* in every target; without a target: that would have been */
    uint64_t lacking; /* not in every target */
};
struct audit_counts audit_counts_read(const struct audit_sink *sink);

/* Could lines be written now, as far as that can be told without writing one? False: why holds a
   phrase, such as "/var/log/a.jsonl: No space left on device". Does not wait: while somebody
   writes, the answer is that of before. */
bool audit_can_write(struct audit_sink *sink, char *why, size_t cap);

/* The lines of one turn of one loop. */
struct audit_batch {
    char *p;
    size_t len, cap;
    bool failed;          /* a line is not as it must be, or was not kept: out of memory */
    uint64_t lost;        /* lines that were not kept */
    uint64_t number;      /* of this batch, from 1; those before are written, or lost */
    uint64_t last_failed; /* the last one of which lines are lost; 0: none */
};

/* Room for a line of at most want bytes behind the batch, or NULL. Commit what was written. */
char *audit_reserve(struct audit_batch *batch, size_t want);
void audit_commit(struct audit_batch *batch, size_t length);
void audit_batch_free(struct audit_batch *batch);

#endif
