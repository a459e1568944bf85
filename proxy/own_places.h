/* What the proxy itself has on this host, told to its policy. */
#ifndef PROXY_OWN_PLACES_H
#define PROXY_OWN_PLACES_H

#include "config.h"
#include "policy.h"

/* The daemon's socket, policy, TLS files and audit logs of the configuration, and the volumes that
   these lie in. False: err says what
   cannot be told. */
bool own_places_tell(const struct config *config, struct policy *policy, struct err *err);
/* The keys that signatures of images are verified by, and what was found signed. */
bool own_places_tell_trust(const struct config *config, struct policy *policy, struct err *err);
/* A listener: its path and the volume that it lies in, or its TCP port. */
bool own_places_tell_socket(struct policy *policy, int fd, struct err *err);

#endif
