/* Serving in the place of a docker-socket-proxy, by its environment variables alone: what they let
   through becomes a policy, and where they say becomes the address. */
#ifndef PROXY_DROPIN_H
#define PROXY_DROPIN_H

#include "config.h"
#include "import.h"

struct dropin {
    struct import import; /* keeps all texts of the configuration that come from here */
    struct str policy;    /* its text */
};

/* What the caller has set by flags or variables of sockwarden, and is left as it is. */
struct dropin_given {
    bool upstream, log_level;
};

/* Reads the environment. Without a switch of a docker-socket-proxy in it nothing is changed; else
   config gets the policy, the address and the rest. False with err set: a variable is not
   understood. dropin_free() with the configuration. */
bool dropin_read(char **environment, const struct dropin_given *given, struct config *config,
                 struct err *err);
void dropin_free(struct dropin *dropin);

/* Says in the log what is served, and what differs. hash: of the policy. */
void dropin_tell(const struct config *config, const char *hash);

#endif
