/* The program: picks the command. */
#include "cmd.h"
#include "config.h"
#include "help.h"
#include "nearest.h"

#include <stdio.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
    const char *text;
} commands[] = {
    {"serve", cmd_serve, "[serve] [options]", "the proxy"},
    {"check", cmd_check, "check [options] POLICY...", "are these policies valid?"},
    {"explain", cmd_explain, "explain [options] [FILE]",
     "decide one raw HTTP request, from FILE or standard input"},
    {"test", cmd_test, "test [--verbose] CASEFILE...", "run your policy's cases, as in CI"},
    {"learn", cmd_learn, "learn AUDITLOG...",
     "write the policy that allows just what the audit logs hold"},
    {"report", cmd_report, "report --policy FILE [--json] AUDITLOG...",
     "what of a policy was never used, and what was denied"},
    {"audit", cmd_audit, "audit verify FILE...", "is the hash chain of these audit logs whole?"},
    {"verify", cmd_verify, "verify IMAGE --policy FILE [options]",
     "is an image signed as the policy wants it? step by step"},
    {"routes", cmd_routes, "routes", "every operation of the Docker Engine API, tab-separated"},
    {"import", cmd_import, "import [--from PROXY] [FILE]",
     "a policy from another socket proxy's configuration"},
    {"roles", cmd_roles, "roles [NAME]", "the built-in roles; with NAME its JSON"},
    {"healthcheck", cmd_healthcheck, "healthcheck [ADDRESS]",
     "0 when the proxy serves and the daemon answers"},
};

// clang-format off
static const char *const help_end[] = {
    "",
    "Each option has an environment variable: SOCKWARDEN_ and its name in capitals, with _ for -",
    "(SOCKWARDEN_AUDIT_LOG; lists by commas, switches by 1, 0, true, false). The flag wins.",
    "",
    "TERM and INT stop accepting, let streams finish within --stop-timeout, then close; a second",
    "one ends at once. Exit status: 0; 1 failure, of test: a case failed; 2 usage; explain: 3 when",
    "refused, or when facts are needed; verify: 3 when refused.",
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
    printf("  sockwarden %-46s %s\n", "--help | --version", "this; the version");
    printf("  sockwarden %-46s %s\n\nOptions of serve\n", "COMMAND --help",
           "one command: its options, exit status, an example");
    config_print_options();
    for (size_t i = 0; i < ARRAY_LEN(help_end); i++)
        puts(help_end[i]);
    return EXIT_OK;
}

static int help_one(size_t entry)
{
    const char *more = help_of(commands[entry].name);
    printf("sockwarden %s\n  %s\n\n", commands[entry].usage, commands[entry].text);
    if (commands[entry].run == cmd_serve) {
        puts("Options");
        config_print_options();
        puts("");
    }
    fputs(more ? more : "", stdout);
    return EXIT_OK;
}

/* The command of this name; the length of the table when there is none. */
static size_t find_command(const char *name)
{
    size_t at = 0;
    while (at < ARRAY_LEN(commands) && strcmp(commands[at].name, name) != 0)
        at++;
    return at;
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

/* `sockwarden help`, `help COMMAND`, `--help` and `-h` beside a command or alone. */
static bool wants_help(int argc, char **argv, const char **command)
{
    bool wanted = argc > 1 && strcmp(argv[1], "help") == 0;
    int at = wanted ? 2 : 1;
    *command = argc > at && argv[at][0] != '-' ? argv[at] : NULL;
    for (int i = 1; i < argc; i++)
        wanted |= strcmp(argv[i], "--help") == 0 ||
                  (strcmp(argv[i], "-h") == 0 && (i == 1 || (i == 2 && *command)));
    return wanted;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (wants_help(argc, argv, &name)) {
        if (!name)
            return help();
        size_t entry = find_command(name);
        return entry < ARRAY_LEN(commands) ? help_one(entry) : unknown(name);
    }
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--version") == 0) {
            printf("sockwarden %s\n", SOCKWARDEN_VERSION);
            return EXIT_OK;
        }
    if (argc < 2 || argv[1][0] == '-')
        return cmd_serve(argc, argv);
    size_t entry = find_command(argv[1]);
    return entry < ARRAY_LEN(commands) ? commands[entry].run(argc - 1, argv + 1) : unknown(argv[1]);
}
