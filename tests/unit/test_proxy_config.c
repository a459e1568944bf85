/* The settings: flags over environment over defaults, and sentences that name option and remedy. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARGS_MAX = 32 };

/* Splits "--a b --c" at blanks into argv. */
struct command {
    char text[512];
    char *argv[ARGS_MAX];
    int argc;
};

static void command_read(struct command *command, const char *line)
{
    snprintf(command->text, sizeof(command->text), "sockwarden %s", line);
    command->argc = 0;
    for (char *p = command->text, *next = NULL; (p = strtok_r(p, " ", &next)); p = NULL) {
        assert_true(command->argc < ARGS_MAX - 1);
        command->argv[command->argc++] = p;
    }
    command->argv[command->argc] = NULL;
}

static bool read_line(struct command *command, const char *line, struct config *out,
                      struct err *err)
{
    command_read(command, line);
    *err = (struct err){.set = false};
    return config_read(command->argc, command->argv, out, err);
}

static void test_defaults(void **state)
{
    (void)state;
    struct command command;
    struct config config;
    struct err err;
    assert_true(read_line(&command, "", &config, &err));
    assert_false(err.set);
    assert_int_equal(config.host_count, 1);
    assert_string_equal(config.hosts[0], "unix:///run/sockwarden/docker.sock");
    assert_string_equal(config.upstream, "unix:///var/run/docker.sock");
    assert_null(config.policy);
    assert_null(config.role);
    assert_false(config.insecure_tcp);
    assert_true(config.tls_verify);
    assert_null(config.tls_cert);
    assert_null(config.admin);
    assert_int_equal(config.socket_mode, 0660);
    assert_int_equal(config.audit_count, 1);
    assert_string_equal(config.audit_logs[0], "-");
    assert_false(config.audit_continue);
    assert_true(config.audit_uses);
    assert_int_equal(config.log_level, LOG_LEVEL_INFO);
    assert_in_range(config.workers, 1, 4);
    assert_int_equal(config.together, 16);
    assert_string_equal(config.host_root, "/");
    assert_int_equal(config.max_connections, 4096);
    assert_int_equal(config.max_body, 1 << 20);
    assert_int_equal(config.max_head, 64 << 10);
    assert_int_equal(config.head_timeout, 15);
    assert_int_equal(config.body_timeout, 60);
    assert_int_equal(config.upstream_timeout, 0);
    assert_int_equal(config.idle_timeout, 120);
    assert_int_equal(config.stop_timeout, 10);
}

static void test_flags(void **state)
{
    (void)state;
    struct command command;
    struct config config;
    struct err err;
    assert_true(
        read_line(&command,
                  "-H unix:///a -Hunix:///b -H=tcp://127.0.0.1:1 --host=unix:///c --host "
                  "unix:///d --upstream unix:///u --role=read-only --policy p --insecure-tcp "
                  "--socket-mode 0600 --max-body 2K --max-head=1024 --workers 64",
                  &config, &err));
    static const char *const hosts[] = {"unix:///a", "unix:///b", "tcp://127.0.0.1:1", "unix:///c",
                                        "unix:///d"};
    assert_int_equal(config.host_count, ARRAY_LEN(hosts));
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        assert_string_equal(config.hosts[i], hosts[i]);
    assert_string_equal(config.upstream, "unix:///u");
    assert_string_equal(config.role, "read-only");
    assert_string_equal(config.policy, "p");
    assert_true(config.insecure_tcp);
    assert_int_equal(config.socket_mode, 0600);
    assert_int_equal(config.max_body, 2048);
    assert_int_equal(config.max_head, 1024);
    assert_int_equal(config.workers, 64);
    assert_int_equal(config.together, 1);
    assert_true(read_line(&command,
                          "-H tcp://127.0.0.1:1 --tlscert c --tlskey=k --tlscacert a --tlscrl r "
                          "--tlsverify",
                          &config, &err));
    assert_true(config.tls_verify);
    assert_string_equal(config.tls_cert, "c");
    assert_string_equal(config.tls_key, "k");
    assert_string_equal(config.tls_ca, "a");
    assert_string_equal(config.tls_crl, "r");
    assert_true(read_line(&command, "-H tcp://127.0.0.1:1 --tlscert c --tlskey k --tlsverify=false",
                          &config, &err));
    assert_false(config.tls_verify);
    assert_true(read_line(
        &command,
        "--insecure-tcp=false --audit-uses off --audit-failure continue --log-level=debug "
        "--log-format json --max-body 256m --role a --role b --socket-mode 777 "
        "--idle-timeout 0 --audit-log a --audit-log none --admin tcp://[::1]:9100",
        &config, &err));
    assert_false(config.insecure_tcp);
    assert_true(config.audit_continue);
    assert_false(config.audit_uses);
    assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config.log_format, LOG_FORMAT_JSON);
    assert_int_equal(config.max_body, 256 << 20);
    assert_string_equal(config.role, "b");
    assert_int_equal(config.socket_mode, 0777);
    assert_string_equal(config.admin, "tcp://[::1]:9100");
    assert_int_equal(config.idle_timeout, 0);
    assert_int_equal(config.audit_count, 2);
    assert_string_equal(config.audit_logs[1], "none");
}

// clang-format off
static const struct bad_row {
    const char *line, *says, *says_too;
} bad_rows[] = {
    {"--hots x", "unknown option --hots", "did you mean --host?"},
    {"--audit-logs=x", "unknown option --audit-logs", "did you mean --audit-log?"},
    {"--max-bdy 1", "unknown option", "did you mean --max-body?"},
    {"--xyzzy", "unknown option --xyzzy", "--help"},
    {"--HOST x", "unknown option --HOST", ""},
    {"-x", "unknown option -x", ""},
    {"--", "unknown option --", ""},
    {"-", "unexpected argument -", "--help"},
    {"stray", "unexpected argument stray", "--help"},
    {"--role a stray", "unexpected argument stray", "--help"},
    {"--host", "--host wants a value", "--host ADDRESS"},
    {"-H", "--host wants a value", "--host ADDRESS"},
    {"--role", "--role wants a value", "NAME"},
    {"--role=", "--role must not be empty", ""},
    {"--upstream=", "--upstream must not be empty", ""},
    {"--upstream /var/run/docker.sock", "--upstream /var/run/docker.sock", "unix:///path"},
    {"--upstream tcp://127.0.0.1:2375", "--upstream", "unix:///path"},
    {"--host unix:///a --upstream unix:///a", "--upstream unix:///a", "ask itself"},
    {"--admin=", "--admin must not be empty", ""},
    {"--admin /run/admin.sock", "--admin /run/admin.sock", "unix:///path or tcp://IP:PORT"},
    {"--admin tcp://localhost:9100", "--admin tcp://localhost:9100", "tcp://IP:PORT"},
    {"--admin tcp://127.0.0.1", "--admin tcp://127.0.0.1", "tcp://IP:PORT"},
    {"--admin fd://", "--admin fd://", "unix:///path"},
    {"--host unix:///a --host unix:///b --admin unix:///b", "--admin unix:///b", "--host"},
    {"--upstream unix:///u --admin unix:///u", "--admin unix:///u", "--upstream"},
    {"--insecure-tcp=maybe", "--insecure-tcp", "maybe"},
    {"--tlsverify=maybe", "--tlsverify", "maybe"},
    {"--tlsverfy", "unknown option --tlsverfy", "did you mean --tlsverify?"},
    {"--tlscert=", "--tlscert must not be empty", ""},
    {"-H tcp://127.0.0.1:1", "tcp://127.0.0.1:1", "--tlscert is missing"},
    {"-H unix:///a -H tcp://[::1]:1 --tlscert c", "tcp://[::1]:1", "--tlskey is missing"},
    {"-H tcp://127.0.0.1:1 --tlscert c --tlskey k", "--tlscacert is missing", "--insecure-tcp"},
    {"-H tcp://127.0.0.1:1 --tlskey k --insecure-tcp", "--insecure-tcp", "--tlskey is for TLS"},
    {"-H tcp://127.0.0.1:1 --insecure-tcp=false", "--tlscert is missing", ""},
    {"--socket-mode 0680", "--socket-mode", "0660"},
    {"--socket-mode rw", "--socket-mode", "0660"},
    {"--socket-mode 66", "--socket-mode", "0660"},
    {"--socket-mode 1777", "--socket-mode", "0660"},
    {"--socket-mode 00660", "--socket-mode", "0660"},
    {"--workers 0", "--workers", "from 1 to 64"},
    {"--workers 65", "--workers", "from 1 to 64"},
    {"--workers 1k", "--workers", "1k"},
    {"--workers -1", "--workers", "-1"},
    {"--max-connections x", "--max-connections", "x"},
    {"--max-body 1023", "--max-body", "from 1024"},
    {"--max-body 257m", "--max-body", "257m"},
    {"--max-body 1t", "--max-body", "1t"},
    {"--max-body k", "--max-body", "not k"},
    {"--max-body 1.5m", "--max-body", "1.5m"},
    {"--max-body 99999999999999999999", "--max-body", ""},
    {"--max-body 8589934592g", "--max-body", ""},
    {"--max-head 2m", "--max-head", "2m"},
    {"--head-timeout 86401", "--head-timeout", "86400"},
    {"--head-timeout 10s", "--head-timeout", "10s"},
    {"--log-level loud", "--log-level", "error, warn, info or debug"},
    {"--log-format yaml", "--log-format", "text|json"},
    {"--audit-failure ignore", "--audit-failure", "deny|continue"},
    {"--audit-uses some", "--audit-uses", "on|off"},
};
// clang-format on

static void test_bad(void **state)
{
    (void)state;
    struct command command;
    struct config config;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(bad_rows); i++) {
        const struct bad_row *row = &bad_rows[i];
        if (read_line(&command, row->line, &config, &err) || !err.set ||
            !strstr(err.text, row->says) || !strstr(err.text, row->says_too) ||
            strchr(err.text, '\n'))
            fail_msg("%s: %s", row->line, err.text);
    }
}

static void test_lists_bounded(void **state)
{
    (void)state;
    struct command command;
    struct config config;
    struct err err;
    char line[256] = "";
    for (size_t i = 0; i < AUDIT_TARGETS_MAX; i++)
        strcat(line, "--audit-log=none ");
    assert_true(read_line(&command, line, &config, &err));
    assert_int_equal(config.audit_count, AUDIT_TARGETS_MAX);
    strcat(line, "--audit-log=none");
    assert_false(read_line(&command, line, &config, &err));
    assert_non_null(strstr(err.text, "--audit-log may be given 8 times"));
    assert_non_null(memset(line, 'x', 200));
    memcpy(line, "--upstream=unix:///", 19);
    line[11 + 7 + 107] = '\0';
    assert_true(read_line(&command, line, &config, &err));
    line[11 + 7 + 107] = 'x';
    line[11 + 7 + 108] = '\0';
    assert_false(read_line(&command, line, &config, &err));
    assert_non_null(strstr(err.text, "107 bytes"));
}

// clang-format off
static const struct env_row {
    const char *name, *value, *line, *says; /* says: part of the error; NULL: it is read */
} env_rows[] = {
    {"SOCKWARDEN_ROLE", "env", "", NULL},
    {"SOCKWARDEN_ROLE", "env", "--role flag", NULL},
    {"SOCKWARDEN_MAX_BODY", "2k", "", NULL},
    {"SOCKWARDEN_INSECURE_TCP", "1", "", NULL},
    {"SOCKWARDEN_INSECURE_TCP", "false", "", NULL},
    {"SOCKWARDEN_MAX_BODY", "x", "", "(environment variable SOCKWARDEN_MAX_BODY)"},
    {"SOCKWARDEN_MAX_BODY", "x", "--max-body 1k", NULL},
    {"SOCKWARDEN_ROLE", "", "", "--role must not be empty (environment variable SOCKWARDEN_ROLE)"},
    {"SOCKWARDEN_LOG_LEVEL", "loud", "", "(environment variable SOCKWARDEN_LOG_LEVEL)"},
    {"SOCKWARDEN_AUDIT_FAILURE", "continue", "", NULL},
};
// clang-format on

static void test_environment(void **state)
{
    (void)state;
    struct command command;
    struct config config;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(env_rows); i++) {
        const struct env_row *row = &env_rows[i];
        setenv(row->name, row->value, 1);
        bool ok = read_line(&command, row->line, &config, &err);
        unsetenv(row->name);
        if (ok != !row->says || (row->says && !strstr(err.text, row->says)))
            fail_msg("%s=%s: %s", row->name, row->value, err.text);
        if (strcmp(row->name, "SOCKWARDEN_ROLE") == 0 && ok)
            assert_string_equal(config.role, *row->line ? "flag" : "env");
        if (strcmp(row->name, "SOCKWARDEN_MAX_BODY") == 0 && ok)
            assert_int_equal(config.max_body, *row->line ? 1024 : 2048);
        if (strcmp(row->name, "SOCKWARDEN_INSECURE_TCP") == 0)
            assert_int_equal(config.insecure_tcp, *row->value == '1');
        if (strcmp(row->name, "SOCKWARDEN_AUDIT_FAILURE") == 0)
            assert_true(config.audit_continue);
    }
}

static void test_environment_lists(void **state)
{
    (void)state;
    struct command command;
    struct config config;
    struct err err;
    setenv("SOCKWARDEN_HOST", ",unix:///a,,unix:///b", 1);
    assert_true(read_line(&command, "", &config, &err));
    assert_int_equal(config.host_count, 2);
    assert_string_equal(config.hosts[0], "unix:///a");
    assert_string_equal(config.hosts[1], "unix:///b");
    config_free(&config);
    assert_true(read_line(&command, "--host unix:///c", &config, &err));
    assert_int_equal(config.host_count, 1); /* a flag replaces the list */
    assert_string_equal(config.hosts[0], "unix:///c");
    config_free(&config);
    unsetenv("SOCKWARDEN_HOST");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_flags),
        cmocka_unit_test(test_bad),         cmocka_unit_test(test_lists_bounded),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_environment_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
