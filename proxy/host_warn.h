/* What can be said of the allowed trees before anybody asks for them. */
#ifndef PROXY_HOST_WARN_H
#define PROXY_HOST_WARN_H

#include "host_root.h"
#include "policy.h"

/* Tells of the entries of containers.binds in the policy's roles: trees that may be mounted
   read-write and whose file system takes setuid programs or devices, and entries that lie behind a
   symbolic link; with serving also those that cannot be seen, whose binds will be refused. say gets
   one sentence without a trailing dot for each, about any tree once. */
void host_warn(const struct host_root *root, const struct policy *policy, bool serving,
               void (*say)(const char *sentence, void *arg), void *arg);

#endif
