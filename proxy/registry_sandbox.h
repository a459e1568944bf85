/* What the registry helper may still do: the network, and the few files that it takes. */
#ifndef PROXY_REGISTRY_SANDBOX_H
#define PROXY_REGISTRY_SANDBOX_H

#include "err.h"
#include "registry_wire.h"

/* Becomes the user of the setup, for good, with limits of the kernel's. Before the helper forks. */
bool registry_sandbox_user(const struct registry_setup *setup, struct err *err);
/* Closes the sandbox behind this process: system calls by a list, files to those of the CAs and of
   looking names up. False with err set. */
bool registry_sandbox_enter(const struct registry_setup *setup, struct err *err);
/* Has a file been replaced that the sandbox was opened for? */
bool registry_sandbox_stale(void);

#endif
