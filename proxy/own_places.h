/* What the proxy itself has on this host, told to its policy. */
#ifndef PROXY_OWN_PLACES_H
#define PROXY_OWN_PLACES_H

#include "config.h"
#include "policy.h"

/* Sockets, policy, audit logs and TCP ports of the configuration. False: err says what cannot be
   told. */
bool own_places_tell(const struct config *config, struct policy *policy, struct err *err);

#endif
