/* --user: from root to a user of the proxy's own, for good. Names are looked up early, since later
   no file may be opened. */
#ifndef PROXY_DROP_H
#define PROXY_DROP_H

#include "err.h"

#include <sys/types.h>

struct drop {
    bool wanted; /* false: stay who we are; uid and gid are then the process's own */
    uid_t uid;
    gid_t gid;
    bool keeps_group; /* the supplementary group below, which may open the daemon's socket */
    gid_t group;
    char name[64]; /* for messages */
};

/* Who to become: text is NAME[:GROUP], names or numbers, or NULL. upstream is the path of the
   daemon's socket, whose group is kept. False: err says what is unknown. */
bool drop_find(const char *text, const char *upstream, struct drop *out, struct err *err);
/* Becomes that user in all of the process, and sees to it that there is no way back. */
bool drop_privileges(const struct drop *drop, struct err *err);

#endif
