/* sockwarden check: are these policies valid, and are the trees that they open what they should be
   on this host, and with --key-dir the keys that they name? No signature is verified here. */
#include "cmd.h"

#include "host_warn.h"
#include "trust.h"

#include <stdio.h>
#include <unistd.h>

static void say_warning(const char *sentence, void *arg)
{
    const char *file = arg;
    fprintf(stderr, "%s: warning: %s\n", file, sentence);
}

/* Are the keys there that the policy names, and fit for use? Where signatures lie is not looked at.
 */
static bool keys_good(const char *file, const struct policy *policy, const char *keys)
{
    struct trust_rules *rules = NULL;
    struct err_list errors = {NULL, 0, 0};
    const struct trust_options options = {.keys = keys, .store = "", .uid = geteuid()};
    bool good = !keys || trust_rules_load(&options, policy, true, &rules, &errors);
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "%s: %s\n", file, errors.items[i].err.text);
    err_list_free(&errors);
    trust_rules_free(rules);
    return good;
}

/* keys NULL: no keys are looked at. */
static int check_policy(char *file, const struct host_root *root, const char *keys)
{
    char hash[65];
    struct policy *policy = policy_read(file, hash);
    if (!policy)
        return EXIT_FAILED;
    host_warn(root, policy, false, say_warning, file);
    bool good = keys_good(file, policy, keys);
    if (good)
        printf("%s: valid\n", file);
    policy_free(policy);
    return good ? EXIT_OK : EXIT_FAILED;
}

/* ---- options --------------------------------------------------------------------------------- */

enum { HOST_ROOT, KEY_DIR, OPTIONS };

/* At argv[*at]: --NAME VALUE or --NAME=VALUE, whose value is left; moves *at over it. */
static int read_option(int argc, char **argv, int *at, const char *given[OPTIONS], bool *taken)
{
    static const char *const names[] = {"--host-root", "--key-dir"};
    static const char *const values[] = {"PATH|none", "PATH"};
    struct str word = str_of(argv[*at]);
    struct str name = str_head(word, str_find(word, '='));
    *taken = false;
    for (size_t i = 0; i < OPTIONS && !*taken; i++) {
        if (!str_is(name, names[i]))
            continue;
        if (name.n == word.n && *at + 1 == argc)
            return cmd_fail(EXIT_USAGE, "%s wants a value: %s %s", names[i], names[i], values[i]);
        given[i] = name.n < word.n ? name.p + name.n + 1 : argv[++*at];
        *taken = true;
    }
    if (!*taken && word.n > 1 && word.p[0] == '-')
        return cmd_fail(EXIT_USAGE, "check has no option %s", word.p);
    return EXIT_OK;
}

int cmd_check(int argc, char **argv)
{
    struct host_root root;
    struct err err = {.set = false};
    const char *given[OPTIONS] = {[HOST_ROOT] = "/"};
    int files = 0;
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        bool taken;
        if (read_option(argc, argv, &i, given, &taken) != EXIT_OK)
            return EXIT_USAGE;
        if (!taken)
            argv[++files] = word; /* what was read makes room */
    }
    if (files == 0)
        return cmd_fail(EXIT_USAGE, "check wants at least one policy: sockwarden check POLICY...");
    if (!host_root_open(given[HOST_ROOT], NULL, &root, &err))
        return cmd_fail(EXIT_USAGE, "%s", err.text);
    int status = EXIT_OK;
    for (int i = 1; i <= files; i++)
        if (check_policy(argv[i], &root, given[KEY_DIR]) != EXIT_OK)
            status = EXIT_FAILED;
    host_root_close(&root);
    return status;
}
