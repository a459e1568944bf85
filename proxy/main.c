/* The program: picks the command. */
#include "cmd.h"
#include "config.h"
#include "nearest.h"

#include <stdio.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
    const char *text;
} commands[] = {
    {"serve", cmd_serve, "[serve] [options]", "the proxy"},
    {"check", cmd_check, "check POLICY...", "are these policies valid?"},
    {"explain", cmd_explain, "explain [options] [FILE]",
     "decide one raw HTTP request, from FILE or standard input"},
    {"test", cmd_test, "test [--verbose] CASEFILE...", "run your policy's cases, as in CI"},
    {"routes", cmd_routes, "routes", "every operation of the Docker Engine API, tab-separated"},
    {"roles", cmd_roles, "roles [NAME]", "the built-in roles; with NAME its JSON"},
};

// clang-format off
static const char *const help_end[] = {
    "",
    "Each option has an environment variable: SOCKWARDEN_ and its name in capitals, with _ for -",
    "(SOCKWARDEN_AUDIT_LOG; lists by commas, switches by 1, 0, true, false). The flag wins.",
    "",
    "Options of explain: --policy FILE, --role NAME, and who asks: --uid N, --gid N,",
    "--address IP, --listener ADDRESS, --cert-cn NAME, --cert-ou NAME, --cert-san NAME (more",
    "than once), --cert-spki DIGEST, --container-name NAME, --container-label KEY=VALUE (more than",
    "once), --container-image IMAGE, --compose-project NAME, --compose-service NAME.",
    "",
    "TERM and INT stop accepting, let streams finish within --stop-timeout, then close; a second",
    "one ends at once. Exit status: 0; 1 failure, of test: a case failed; 2 usage; explain: 3 when",
    "refused.",
    "",
    "First steps: run `sockwarden`, and in another shell",
    "  export DOCKER_HOST=unix:///run/sockwarden/docker.sock",
    "  docker ps",
    "The policy is described in sockwarden-policy(5), these options in sockwarden(8).",
};
// clang-format on

static int help(void)
{
    printf("sockwarden %s: a policy in front of docker.sock\n\nCommands\n", SOCKWARDEN_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("  sockwarden %-46s %s\n", commands[i].usage, commands[i].text);
    printf("  sockwarden %-46s %s\n\nOptions of serve\n", "--help | --version",
           "this; the version");
    config_print_options();
    for (size_t i = 0; i < ARRAY_LEN(help_end); i++)
        puts(help_end[i]);
    return EXIT_OK;
}

static int unknown(const char *word)
{
    struct nearest nearest = nearest_to(str_of(word));
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        nearest_offer(&nearest, str_of(commands[i].name));
    if (nearest.best.p)
        return cmd_fail(EXIT_USAGE, "there is no command %s; did you mean %.*s?", word,
                        STR_ARG(nearest.best));
    return cmd_fail(EXIT_USAGE, "there is no command %s; `sockwarden --help` lists them", word);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 ||
            (i == 1 && (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "help") == 0)))
            return help();
        if (strcmp(argv[i], "--version") == 0) {
            printf("sockwarden %s\n", SOCKWARDEN_VERSION);
            return EXIT_OK;
        }
    }
    if (argc < 2 || argv[1][0] == '-')
        return cmd_serve(argc, argv);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return unknown(argv[1]);
}
