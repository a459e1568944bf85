/* Audit lines to syslog and journald, and sockets that come and go. */
#include "audit_helper.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/sockwarden-sockets-XXXXXX";
static char path[64], other[64];

static int set_up(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int remove_files(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return 0;
}

static int receiver(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    unlink(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The next datagram, NUL behind. */
static const char *receive(int fd)
{
    static char bytes[300000];
    ssize_t n = recv(fd, bytes, sizeof(bytes) - 1, 0);
    assert_true(n > 0);
    bytes[n] = '\0';
    return bytes;
}

#define TIMED(rest) "{\"time\":\"2026-01-31T12:00:00.000001Z\"," rest "}\n"

static void test_syslog(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int priority;
    } rows[] = {
        {TIMED("\"record\":\"request\",\"decision\":\"allow\""), 86},
        {TIMED("\"record\":\"request\",\"decision\":\"deny\""), 84},
        {TIMED("\"record\":\"request\",\"decision\":\"allow\",\"would_deny\":true"), 85},
        {TIMED("\"record\":\"end\""), 86},
    };
    char name[80], wanted[512], host[65];
    snprintf(name, sizeof(name), "syslog:%s", path);
    gethostname(host, sizeof(host));
    int fd = receiver(path);
    struct audit_sink *sink = open_sink(name, NULL);
    struct audit_text all = {malloc(1 << 20), 0, 1 << 20};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(audit_write(sink, str_of(rows[i].line)));
        const char *got = receive(fd);
        snprintf(wanted, sizeof(wanted),
                 "<%d>1 2026-01-31T12:00:00.000001Z %s sockwarden %ld %s - {", rows[i].priority,
                 host, (long)getpid(), i == 3 ? "end" : "request");
        if (!str_starts(str_of(got), str_of(wanted)))
            fail_msg("%s does not begin with %s", got, wanted);
        struct str message = str_of(got + strlen(wanted) - 1);
        assert_false(str_ends(message, STR("\n")));
        memcpy(all.p + all.len, message.p, message.n);
        all.len += message.n;
        all.p[all.len++] = '\n';
    }
    expect_chain((struct str){all.p, all.len}, NULL);
    free(all.p);
    audit_close(sink);
    close(fd);
}

/* Beside a file, a socket has the same lines with the same hashes. */
static void test_shared_chain(void **state)
{
    (void)state;
    char name[80];
    struct audit_sink *sink = open_sink(other, NULL);
    assert_true(audit_write(sink, STR(LINE("a"))));
    audit_close(sink);
    snprintf(name, sizeof(name), "syslog:%s", path);
    int fd = receiver(path);
    sink = open_sink(name, other);
    assert_true(audit_write(sink, STR(LINE("b"))));
    size_t length;
    char *text = file_text(other, &length);
    const char *last = text + sizeof(LINE("a")) - 1 + AUDIT_LINK_BYTES, *got = receive(fd);
    text[length - 1] = '\0';
    assert_string_equal(strstr(got, " - {") + 3, last);
    free(text);
    audit_close(sink);
    close(fd);
}

/* A line that receivers would cut comes in parts, which put together are the line. */
static void test_syslog_parts(void **state)
{
    (void)state;
    enum { LONG = 30000 };
    static char line[LONG], together[2 * LONG];
    size_t n = 0;
    char name[80];
    strcpy(line, "{\"time\":\"2026-01-31T12:00:00.000001Z\",\"record\":\"request\",\"path\":\"");
    while (strlen(line) < LONG - 100)
        strcat(line, "xxx\xc3\xa4\xe2\x82\xac");
    strcat(line, "\"}\n");
    snprintf(name, sizeof(name), "syslog:%s", path);
    int fd = receiver(path);
    struct audit_sink *sink = open_sink(name, NULL);
    assert_true(audit_write(sink, str_of(line)));
    for (unsigned part = 1, parts = 5; part <= parts; part++) {
        const char *got = receive(fd);
        assert_true(strlen(got) < 8000);
        const char *at = strstr(got, " - part ");
        unsigned is = 0;
        assert_non_null(at);
        assert_int_equal(sscanf(at, " - part %u/%u ", &is, &parts), 2);
        assert_int_equal(is, part);
        at = strchr(at + 8, ' ') + 1;
        assert_true(((unsigned char)*at & 0xc0) != 0x80); /* no character is cut */
        strcpy(together + n, at);
        n += strlen(at);
    }
    together[n++] = '\n';
    expect_chain((struct str){together, n}, NULL);
    audit_close(sink);
    close(fd);
}

static void expect_field(const char *datagram, const char *field)
{
    char wanted[600];
    snprintf(wanted, sizeof(wanted), "\n%s\n", field);
    if (!strstr(datagram, wanted))
        fail_msg("no %s in %s", field, datagram);
}

static void test_journald(void **state)
{
    (void)state;
    char name[80];
    snprintf(name, sizeof(name), "journald:%s", path);
    int fd = receiver(path);
    struct audit_sink *sink = open_sink(name, NULL);
    assert_true(audit_write(
        sink, STR(TIMED("\"record\":\"request\",\"id\":\"1\",\"client\":\"ci\",\"role\":\"r\","
                        "\"peer\":{\"uid\":7,\"pid\":9},\"operation\":\"ContainerCreate\","
                        "\"object\":\"a\\u000aPRIORITY=0\\u009b\\\"\",\"decision\":\"deny\","
                        "\"status\":403"))));
    const char *got = receive(fd);
    assert_true(str_starts(str_of(got), STR("MESSAGE={\"time\":")));
    static const char *const fields[] = {"PRIORITY=4",
                                         "SYSLOG_FACILITY=10",
                                         "SYSLOG_IDENTIFIER=sockwarden",
                                         "SOCKWARDEN_RECORD=request",
                                         "SOCKWARDEN_ID=1",
                                         "SOCKWARDEN_CLIENT=ci",
                                         "SOCKWARDEN_ROLE=r",
                                         "SOCKWARDEN_PEER_UID=7",
                                         "SOCKWARDEN_PEER_PID=9",
                                         "SOCKWARDEN_OPERATION=ContainerCreate",
                                         "SOCKWARDEN_DECISION=deny",
                                         "SOCKWARDEN_STATUS=403",
                                         "SOCKWARDEN_OBJECT=a\\u000aPRIORITY=0\\u009b\\\""};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        expect_field(got, fields[i]);
    assert_null(strstr(got, "\nPRIORITY=0"));
    assert_null(strstr(got, "SOCKWARDEN_IMAGE"));
    const char *end = strchr(got, '\n');
    expect_chain(str_from(got + strlen("MESSAGE="), end), NULL);
    /* A long line is one datagram all the same. */
    static char line[33000];
    memset(line, 'x', sizeof(line));
    memcpy(line, "{\"l\":\"", 6);
    memcpy(line + sizeof(line) - 3, "\"}\n", 3);
    assert_true(audit_write(sink, (struct str){line, sizeof(line)}));
    assert_true(strlen(receive(fd)) > sizeof(line));
    audit_close(sink);
    close(fd);
}

/* The receiver goes away, and another comes: lines of meanwhile are counted, later ones arrive. A
   full queue does not hold the writer up. */
static void test_socket_comes_and_goes(void **state)
{
    (void)state;
    char name[80], why[400];
    struct err err = {.set = false};
    snprintf(name, sizeof(name), "syslog:%s", path);
    const char *targets[] = {name};
    assert_null(audit_open(targets, 1, &err));
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "is it running?"));
    int fd = receiver(path);
    struct audit_sink *sink = open_sink(name, NULL);
    assert_true(audit_write(sink, STR(LINE("a"))));
    close(fd);
    assert_false(audit_write(sink, STR(LINE("b"))));
    assert_false(audit_can_write(sink, why, sizeof(why)));
    assert_non_null(strstr(why, "Connection refused"));
    unlink(path);
    assert_false(audit_write(sink, STR(LINE("c"))));
    fd = receiver(path);
    assert_true(audit_can_write(sink, why, sizeof(why)));
    assert_true(audit_write(sink, STR(LINE("d"))));
    assert_non_null(strstr(receive(fd), "\"record\":\"lost\",\"lines\":2,"));
    assert_non_null(strstr(receive(fd), LINE("d")[0] ? "\"l\":\"d\"" : ""));
    /* Replaced without our noticing: the next line goes to the new one. */
    close(fd);
    fd = receiver(path);
    assert_true(audit_write(sink, STR(LINE("e"))));
    assert_non_null(strstr(receive(fd), "\"l\":\"e\""));
    int sent = 0;
    while (sent < 10000 && audit_write(sink, STR(LINE("f"))))
        sent++;
    assert_in_range(sent, 1, 9999);
    assert_false(audit_can_write(sink, why, sizeof(why)));
    assert_non_null(strstr(why, "nobody reads it"));
    for (int i = 0; i < sent; i++)
        assert_non_null(strstr(receive(fd), "\"l\":\"f\""));
    assert_true(audit_can_write(sink, why, sizeof(why)));
    assert_true(audit_write(sink, STR(LINE("g"))));
    assert_non_null(strstr(receive(fd), "\"record\":\"lost\",\"lines\":1,"));
    assert_non_null(strstr(receive(fd), "\"l\":\"g\""));
    audit_close(sink);
    close(fd);
}

static void test_socket_names(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        bool file;
    } rows[] = {{"-", false},        {"none", false},        {"syslog", false},
                {"journald", false}, {"syslog:/x", false},   {"journald:/x", false},
                {"./syslog", true},  {"syslog.jsonl", true}, {"/var/log/syslog", true},
                {"journald-x", true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(audit_target_is_file(rows[i].target), rows[i].file);
    struct err err = {.set = false};
    const char *targets[] = {"syslog:relative"};
    assert_null(audit_open(targets, 1, &err));
    assert_non_null(strstr(err.text, "no path of a socket"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, remove_files)
    const struct CMUnitTest tests[] = {
        TEST(test_syslog),   TEST(test_shared_chain),          TEST(test_syslog_parts),
        TEST(test_journald), TEST(test_socket_comes_and_goes), TEST(test_socket_names),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
