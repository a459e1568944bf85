/* Makes a set of what requests are judged by from the files of the configuration, at the start and
   at each reload by the same rules. */
#ifndef PROXY_SNAPSHOT_LOAD_H
#define PROXY_SNAPSHOT_LOAD_H

#include "listener.h"
#include "trust.h"

struct snapshot_source {
    const struct config *config;
    uid_t uid;   /* of the process, or the one that it will become: may own the files */
    char *piped; /* the policy of standard input, which can be read once; owned. NULL: none */
    size_t piped_length;
};

/* What the options say of signatures. Borrowed of config. */
struct trust_options trust_options_of(const struct config *config, uid_t uid);

/* The keys that the policy names. False: the log says what is wrong with them. */
bool snapshot_load_trust(const struct config *config, uid_t uid, const struct policy *policy,
                         struct trust_rules **out);

/* Policy, role, keys of images and TLS files, with one reference. NULL: the log says all that is
 * wrong. */
struct snapshot *snapshot_load(struct snapshot_source *source);
void snapshot_source_free(struct snapshot_source *source);
/* Own sockets and ports are kept from containers, and clients that no listener can meet are warned
   of. Before others see the snapshot. False: the log says why. */
bool snapshot_tell_listeners(struct snapshot *snapshot, const struct server *server);
/* Who gets what: "3 clients of its policy, all others with role default". */
void snapshot_describe(const struct snapshot *snapshot, char *dst, size_t cap);

#endif
