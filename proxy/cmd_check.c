/* sockwarden check: are these policies valid? */
#include "cmd.h"

#include <stdio.h>

int cmd_check(int argc, char **argv)
{
    if (argc < 2)
        return cmd_fail(EXIT_USAGE, "check wants at least one policy: sockwarden check POLICY...");
    int status = EXIT_OK;
    for (int i = 1; i < argc; i++) {
        char hash[65];
        if (argv[i][0] == '-' && argv[i][1])
            return cmd_fail(EXIT_USAGE, "check has no option %s", argv[i]);
        struct policy *policy = policy_read(argv[i], hash);
        if (policy)
            printf("%s: valid\n", argv[i]);
        else
            status = EXIT_FAILED;
        policy_free(policy);
    }
    return status;
}
