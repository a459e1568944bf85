/* The step from starting to serving: gives up what only the start needed. */
#ifndef PROXY_CONFINE_H
#define PROXY_CONFINE_H

#include "drop.h"
#include "listener.h"

/* Becomes the user of --user and enters the sandbox, once all is open and before threads start;
   then sees to it that a reload could still read what it needs. False: the log says why. */
bool confine(const struct config *config, const struct server *server, struct audit_sink *sink,
             const struct drop *drop, const struct snapshot *snapshot);
/* Can policy, TLS files (tls: they are used) and audit files be opened? False: the log says which
   cannot, and the remedy; audit files are only warned of. */
bool confine_check_reach(const struct config *config, bool tls);

#endif
