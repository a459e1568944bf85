/* How a list of system calls is written, and the two halves of a sandbox, for the processes that
   have a list of their own. */
#ifndef PROXY_SANDBOX_CALLS_H
#define PROXY_SANDBOX_CALLS_H

#include "sandbox.h"

enum sandbox_answer {
    ALLOW,
    OWN,    /* allowed where the first argument is this process */
    KILL,   /* the process ends */
    ABSENT, /* "no such system call": the caller falls back to an older one */
};

struct sandbox_call {
    const char *name;
    enum sandbox_answer answer;
    struct {
        unsigned arg;
        uint64_t mask, value; /* holds when (argument & mask) == value; mask 0: no test */
    } tests[3];               /* all must hold */
};

#define INT           UINT32_MAX /* the kernel reads these arguments as int */
#define IF(arg, mask) arg, (uint64_t)(mask)
#define IS            (uint64_t)

/* Closes the list behind this process: what has no row fails with EPERM. False: the kernel has no
   seccomp, and err names the remedy. */
bool sandbox_limit_calls(const struct sandbox_call *allowed, size_t count, struct err *err);
/* Limits files to the grants, which stay open. The version of Landlock that rules now, or 0 with
   errno set. */
long sandbox_limit_files(const struct sandbox *sandbox);
/* Closes the grants. */
void sandbox_release(struct sandbox *sandbox);

#endif
