/* What the proxy itself has on this host, told to its policy. */
#ifndef PROXY_OWN_PLACES_H
#define PROXY_OWN_PLACES_H

#include "config.h"
#include "policy.h"
#include "systemd.h"

/* Sockets, policy, audit logs and TCP ports of the configuration, and what is inherited. False: err
   says what cannot be told. */
bool own_places_tell(const struct config *config, const struct systemd_sockets *inherited,
                     struct policy *policy, struct err *err);

#endif
