/* sockwarden check: are these policies valid, and are the trees that they open what they should be
   on this host? */
#include "cmd.h"

#include "host_warn.h"

#include <stdio.h>

static void say_warning(const char *sentence, void *arg)
{
    const char *file = arg;
    fprintf(stderr, "%s: warning: %s\n", file, sentence);
}

static int check_policy(char *file, const struct host_root *root)
{
    char hash[65];
    struct policy *policy = policy_read(file, hash);
    if (!policy)
        return EXIT_FAILED;
    host_warn(root, policy, false, say_warning, file);
    printf("%s: valid\n", file);
    policy_free(policy);
    return EXIT_OK;
}

/* --host-root PATH or --host-root=PATH at argv[*at]; moves *at over its value. NULL: it is none. */
static const char *host_root_option(int argc, char **argv, int *at)
{
    struct str word = str_of(argv[*at]);
    if (str_is(word, "--host-root") && *at + 1 < argc)
        return argv[++*at];
    return str_starts(word, STR("--host-root=")) ? argv[*at] + sizeof("--host-root=") - 1 : NULL;
}

int cmd_check(int argc, char **argv)
{
    struct host_root root;
    struct err err = {.set = false};
    const char *host_root = "/";
    int files = 0;
    for (int i = 1; i < argc; i++) {
        int at = i;
        const char *value = host_root_option(argc, argv, &i);
        host_root = value ? value : host_root;
        if (!value && str_is(str_of(argv[at]), "--host-root"))
            return cmd_fail(EXIT_USAGE, "--host-root wants a value: --host-root PATH|none");
        if (!value && argv[at][0] == '-' && argv[at][1])
            return cmd_fail(EXIT_USAGE, "check has no option %s", argv[at]);
        if (!value)
            argv[++files] = argv[at]; /* what was read makes room */
    }
    if (files == 0)
        return cmd_fail(EXIT_USAGE, "check wants at least one policy: sockwarden check POLICY...");
    if (!host_root_open(host_root, NULL, &root, &err))
        return cmd_fail(EXIT_USAGE, "%s", err.text);
    int status = EXIT_OK;
    for (int i = 1; i <= files; i++)
        if (check_policy(argv[i], &root) != EXIT_OK)
            status = EXIT_FAILED;
    host_root_close(&root);
    return status;
}
