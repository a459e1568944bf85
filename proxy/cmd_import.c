/* sockwarden import: prints the policy that another proxy's configuration comes to, and says what
   changes with it. The reading itself is in import_*.c. */
#include "cmd.h"

#include "import.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct options {
    enum import_kind kind;
    const char *file; /* NULL: the environment */
    bool no_builtin_rules;
};

static const struct {
    const char *name;
    enum import_kind kind;
} proxies[] = {
    {"tecnativa", IMPORT_TECNATIVA},   {"linuxserver", IMPORT_LINUXSERVER},
    {"wollomatic", IMPORT_WOLLOMATIC}, {"cetusguard", IMPORT_CETUSGUARD},
    {"sockguard", IMPORT_SOCKGUARD},
};

static int set_from(struct options *out, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        if (strcmp(name, proxies[i].name) == 0) {
            out->kind = proxies[i].kind;
            return EXIT_OK;
        }
    return cmd_fail(EXIT_USAGE,
                    "--from takes tecnativa, linuxserver, wollomatic, cetusguard or sockguard, "
                    "not %s",
                    name);
}

static int read_options(int argc, char **argv, struct options *out)
{
    for (int i = 1; i < argc; i++) {
        int status = EXIT_OK;
        if (strcmp(argv[i], "--from") == 0 && i + 1 == argc)
            return cmd_fail(EXIT_USAGE, "--from wants a value: --from PROXY");
        if (strcmp(argv[i], "--from") == 0)
            status = set_from(out, argv[++i]);
        else if (strncmp(argv[i], "--from=", 7) == 0)
            status = set_from(out, argv[i] + 7);
        else if (strcmp(argv[i], "--no-builtin-rules") == 0)
            out->no_builtin_rules = true;
        else if (argv[i][0] == '-' && argv[i][1])
            status = cmd_fail(EXIT_USAGE, "import has no option %s", argv[i]);
        else if (out->file)
            status = cmd_fail(EXIT_USAGE, "import takes one file, and %s is a second", argv[i]);
        else
            out->file = argv[i];
        if (status != EXIT_OK)
            return status;
    }
    if (out->no_builtin_rules && out->kind != IMPORT_CETUSGUARD)
        return cmd_fail(EXIT_USAGE, "--no-builtin-rules goes with --from cetusguard");
    return EXIT_OK;
}

static bool read_variables(struct import *import, const struct options *options, struct str text)
{
    struct import_settings settings;
    bool flags = options->kind == IMPORT_WOLLOMATIC;
    if (!(!options->file ? import_take_environment(import, environ, &settings)
          : flags        ? import_read_flags(import, text, &settings)
                         : import_read_settings(import, text, &settings)))
        return false;
    if (flags)
        return import_wollomatic(import, &settings);
    if (!options->file && options->kind == IMPORT_ENVIRONMENT && !import_wants_sections(&settings))
        return import_note(import, IMPORT_WRONG, 0,
                           "holds no variable of a docker-socket-proxy, such as CONTAINERS=1; "
                           "give a FILE, and --from where it is of another proxy");
    return import_sections(import, &settings, options->kind);
}

static bool read_source(struct import *import, const struct options *options, struct str text)
{
    switch (options->kind) {
    case IMPORT_CETUSGUARD:
        return import_cetusguard(import, text, !options->no_builtin_rules);
    case IMPORT_SOCKGUARD:
        return import_sockguard(import, text);
    case IMPORT_ENVIRONMENT:
    case IMPORT_TECNATIVA:
    case IMPORT_LINUXSERVER:
    case IMPORT_WOLLOMATIC:
        return read_variables(import, options, text);
    }
    return false;
}

static void print_notes(const struct import *import, const char *file)
{
    static const char *const words[] = {[IMPORT_WRONG] = "",
                                        [IMPORT_LOST] = "not carried over: ",
                                        [IMPORT_STRICTER] = "stricter: ",
                                        [IMPORT_TOLD] = "note: "};
    for (const struct import_note *note = import->notes; note; note = note->next) {
        if (note->line)
            fprintf(stderr, "%s:%d: ", file, note->line);
        else
            fprintf(stderr, "%s: ", file);
        fprintf(stderr, "%s%s\n", words[note->gravity], note->text);
    }
}

/* What was written must be a policy: a slip of the importer is found here, and not by serve. */
static int print_policy(struct import *import, const char *file)
{
    struct str text = import_write(import);
    struct err_list errors = {NULL, 0, 0};
    char hash[65];
    struct policy *policy = text.p ? policy_of_text(text, hash, &errors) : NULL;
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "%s: %s%s\n", file, errors.items[i].warning ? "note: " : "",
                errors.items[i].err.text);
    err_list_free(&errors);
    if (!policy)
        return cmd_fail(EXIT_FAILED, "%s: no valid policy comes of it", file);
    policy_free(policy);
    return fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0
               ? EXIT_OK
               : cmd_fail(EXIT_FAILED, "the policy cannot be written");
}

int cmd_import(int argc, char **argv)
{
    static struct options options;
    static struct import import;
    struct err err = {.set = false};
    struct str text = {NULL, 0};
    char *bytes = NULL;
    int status = read_options(argc, argv, &options);
    if (status != EXIT_OK)
        return status;
    const char *rules = options.kind == IMPORT_CETUSGUARD ? getenv("CETUSGUARD_RULES") : NULL;
    bool wants_file = options.kind == IMPORT_CETUSGUARD || options.kind == IMPORT_SOCKGUARD;
    if (wants_file && !options.file && !rules)
        return cmd_fail(EXIT_USAGE, "that proxy is configured by a file: name it, or - for "
                                    "standard input");
    if (options.file && !(bytes = file_read(options.file, IMPORT_FILE_MAX, &text.n, &err)))
        return cmd_fail(EXIT_FAILED, "%s", err.text);
    text = bytes ? (struct str){bytes, text.n} : str_of(rules);
    const char *name = options.file ? options.file : "the environment";
    import_open(&import);
    bool good = read_source(&import, &options, text);
    print_notes(&import, name);
    status = good && !import.wrong ? print_policy(&import, name) : EXIT_FAILED;
    import_free(&import);
    free(bytes);
    return status;
}
