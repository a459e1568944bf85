/* Counters and the text they are written as: labels, overflow, buckets, several loops. */
#include "metrics_write.h"

#include "loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect_text(struct metrics_text *text, const char *expected)
{
    assert_false(text->failed);
    if (text->len != strlen(expected) || memcmp(text->p, expected, text->len) != 0)
        fail_msg("got:\n%.*s\nexpected:\n%s", (int)text->len, text->p, expected);
    free(text->p);
}

/* ---- the format ---------------------------------------------------------------------------- */

static void test_labels(void **state)
{
    (void)state;
    const struct {
        struct str value;
        const char *expected;
    } rows[] = {
        {STR(""), ""},
        {STR("plain"), "plain"},
        {STR("a\"b"), "a\\\"b"},
        {STR("a\\b"), "a\\\\b"},
        {STR("a\nb"), "a\\\\u000ab"},
        {STR("a\tb"), "a\\\\u0009b"},
        {STR("\x7f"), "\\\\u007f"},
        {STR("\0"), "\xef\xbf\xbd"},
        {STR("\xc3\xa9"), "\xc3\xa9"},
        {STR("\xff"), "\xef\xbf\xbd"},
        {STR("{},= "), "{},= "},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct metrics_text text = {.p = NULL};
        struct metrics_label labels[] = {{"a", rows[i].value}, {"b", STR("c")}};
        char expected[128];
        metrics_text_sample(&text, "m", labels, 2, UINT64_MAX);
        snprintf(expected, sizeof(expected), "m{a=\"%s\",b=\"c\"} 18446744073709551615\n",
                 rows[i].expected);
        expect_text(&text, expected);
    }
}

static void test_seconds(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *expected;
    } rows[] = {
        {0, "m 0\n"},
        {1, "m 0.000000001\n"},
        {2500000, "m 0.0025\n"},
        {1000000000, "m 1\n"},
        {60000000000, "m 60\n"},
        {1795312568278334043, "m 1795312568.278334043\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct metrics_text text = {.p = NULL};
        metrics_text_seconds(&text, "m", NULL, 0, rows[i].ns);
        expect_text(&text, rows[i].expected);
    }
}

static void test_histogram(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1000, 2000000000, 0}, buckets[] = {2, 0, 3};
    struct metrics_text text = {.p = NULL};
    struct metrics_label labels[] = {{"class", STR("@read")}};
    metrics_text_family(&text, "h", "histogram", "Help.");
    metrics_text_histogram(&text, "h", labels, 1, bounds, buckets, 12500000000);
    expect_text(&text, "# HELP h Help.\n"
                       "# TYPE h histogram\n"
                       "h_bucket{class=\"@read\",le=\"0.000001\"} 2\n"
                       "h_bucket{class=\"@read\",le=\"2\"} 2\n"
                       "h_bucket{class=\"@read\",le=\"+Inf\"} 5\n"
                       "h_sum{class=\"@read\"} 12.5\n"
                       "h_count{class=\"@read\"} 5\n");
}

/* ---- counting ------------------------------------------------------------------------------ */

enum { LOOPS = 2 };

struct scrape {
    struct metrics *loops[LOOPS];
    char *text;
};

static int setup(void **state)
{
    struct scrape *scrape = calloc(1, sizeof(*scrape));
    *state = scrape;
    for (size_t i = 0; scrape && i < LOOPS; i++)
        scrape->loops[i] = metrics_new();
    return scrape && scrape->loops[0] && scrape->loops[1] ? 0 : -1;
}

static int teardown(void **state)
{
    struct scrape *scrape = *state;
    for (size_t i = 0; i < LOOPS; i++)
        metrics_free(scrape->loops[i]);
    free(scrape->text);
    free(scrape);
    return 0;
}

static void scrape_now(struct scrape *scrape)
{
    const struct metrics *loops[LOOPS] = {scrape->loops[0], scrape->loops[1]};
    struct metrics_text text = {.p = NULL};
    struct metrics_view view = {.loops = loops,
                                .loop_count = LOOPS,
                                .policy_hash = "builtin",
                                .audit = {.written = 3, .lacking = 2}};
    metrics_write(&view, &text);
    assert_false(text.failed);
    free(scrape->text);
    scrape->text = strndup(text.p, text.len);
    free(text.p);
    assert_non_null(scrape->text);
}

static void assert_line(const struct scrape *scrape, const char *line)
{
    char whole[600];
    snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (!strstr(scrape->text, whole))
        fail_msg("not there: %s", line);
}

static size_t count_lines(const struct scrape *scrape, const char *begin)
{
    size_t count = 0;
    for (const char *at = scrape->text; (at = strstr(at, begin)); at++)
        count += at > scrape->text && at[-1] == '\n';
    return count;
}

static void test_requests(void **state)
{
    struct scrape *scrape = *state;
    char other[] = "a"; /* the same name at another address */
    metrics_count_request(scrape->loops[0], OP_ContainerList, "a", "unix:///x", true);
    metrics_count_request(scrape->loops[0], OP_ContainerList, other, "unix:///x", true);
    metrics_count_request(scrape->loops[1], OP_ContainerList, "b", "unix:///x", true);
    metrics_count_request(scrape->loops[1], OP_ContainerList, "a", "unix:///x", true);
    metrics_count_request(scrape->loops[1], OP_ContainerList, "a", "unix:///x", false);
    metrics_count_request(scrape->loops[0], OP_COUNT, NULL, "unix:///x", false);
    scrape_now(scrape);
#define REQUESTS(op, role, decision, count)                                                 \
    "sockwarden_requests_total{operation=\"" op "\",role=\"" role "\",decision=\"" decision \
    "\",listener=\"unix:///x\"} " count
    assert_line(scrape, REQUESTS("ContainerList", "a", "allow", "3"));
    assert_line(scrape, REQUESTS("ContainerList", "a", "deny", "1"));
    assert_line(scrape, REQUESTS("ContainerList", "b", "allow", "1"));
    assert_line(scrape, REQUESTS("other", "", "deny", "1"));
    assert_int_equal(count_lines(scrape, "sockwarden_requests_total{"), 4);
}

/* Labels are bounded whatever comes, and nothing is lost. */
static void test_overflow(void **state)
{
    struct scrape *scrape = *state;
    size_t total = 0;
    for (unsigned role = 0; role < METRICS_NAMES_MAX + 50; role++) {
        char name[32];
        snprintf(name, sizeof(name), "role-%u", role);
        for (unsigned op = 0; op < OP_COUNT; op++, total++)
            metrics_count_request(scrape->loops[0], (enum operation)op, name, "l", true);
    }
    char longest[METRICS_NAME_BYTES + 1];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    metrics_count_request(scrape->loops[1], OP_SystemPing, longest, "l", true);
    scrape_now(scrape);
    assert_line(scrape, "sockwarden_requests_total{operation=\"SystemPing\",role=\"other\","
                        "decision=\"allow\",listener=\"l\"} 1");
    assert_int_equal(count_lines(scrape, "sockwarden_requests_total{"), METRICS_SERIES_MAX + 2);
    unsigned long long sum = 0;
    for (const char *at = scrape->text; (at = strstr(at, "\nsockwarden_requests_total{")); at++)
        sum += strtoull(strstr(at, "} ") + 2, NULL, 10);
    assert_int_equal(sum, total + 1);
}

static void test_refusals(void **state)
{
    struct scrape *scrape = *state;
    static const int statuses[] = {0, 400, 417, 403, 408, 413, 414, 431, 429, 503, 418};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        metrics_count_refusal(scrape->loops[0], statuses[i]);
    scrape_now(scrape);
    static const char *const lines[] = {"\"malformed\"} 2", "\"origin\"} 1",   "\"timeout\"} 1",
                                        "\"too_large\"} 3", "\"overload\"} 2", "\"tls\"} 1",
                                        "\"other\"} 1"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char line[128];
        snprintf(line, sizeof(line), "sockwarden_refusals_total{reason=%s", lines[i]);
        assert_line(scrape, line);
    }
}

static void test_limits(void **state)
{
    struct scrape *scrape = *state;
    static const char *const lines[] = {"\"requests_per_second\"} 2", "\"connections\"} 0",
                                        "\"streams\"} 1", "\"body_bytes\"} 0"};
    metrics_count_limit(scrape->loops[0], LIMIT_REQUESTS_PER_SECOND);
    metrics_count_limit(scrape->loops[1], LIMIT_REQUESTS_PER_SECOND);
    metrics_count_limit(scrape->loops[1], LIMIT_STREAMS);
    scrape_now(scrape);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char line[128];
        snprintf(line, sizeof(line), "sockwarden_limit_refusals_total{limit=%s", lines[i]);
        assert_line(scrape, line);
    }
    assert_int_equal(count_lines(scrape, "sockwarden_limit_refusals_total{"), ARRAY_LEN(lines));
}

static void test_upstream(void **state)
{
    struct scrape *scrape = *state;
    static const struct {
        int error;
        const char *kind;
    } rows[] = {{ENOENT, "missing"},   {ECONNREFUSED, "refused"}, {EACCES, "permission"},
                {EPERM, "permission"}, {EPIPE, "broken"},         {ENOMEM, "other"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        metrics_count_upstream_errno(scrape->loops[i % LOOPS], rows[i].error);
    scrape_now(scrape);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[128];
        snprintf(line, sizeof(line), "sockwarden_upstream_errors_total{kind=\"%s\"} %d",
                 rows[i].kind, strcmp(rows[i].kind, "permission") == 0 ? 2 : 1);
        assert_line(scrape, line);
    }
}

static void test_times(void **state)
{
    struct scrape *scrape = *state;
    uint64_t now = clock_now_ns();
    metrics_observe_response(scrape->loops[0], OP_ContainerList, now);
    metrics_observe_response(scrape->loops[1], OP_ContainerList, now - 3000000000);
    metrics_observe_response(scrape->loops[1], OP_ContainerList, 0); /* as long as the host is up */
    metrics_observe_response(scrape->loops[0], OP_SystemPing,
                             now + 5000000000); /* never negative */
    scrape_now(scrape);
#define BUCKET(class, le, count) \
    "sockwarden_request_duration_seconds_bucket{class=\"" class "\",le=\"" le "\"} " count
    assert_line(scrape, BUCKET("@read", "2.5", "1"));
    assert_line(scrape, BUCKET("@read", "5", "2"));
    assert_line(scrape, BUCKET("@read", "+Inf", "3"));
    assert_line(scrape, BUCKET("@ping", "0.0005", "1"));
    assert_line(scrape, "sockwarden_request_duration_seconds_sum{class=\"@ping\"} 0");
}

static void test_spans(void **state)
{
    struct scrape *scrape = *state;
    enum metrics_span one = METRICS_NO_SPAN, two = METRICS_NO_SPAN;
    metrics_open(scrape->loops[0], &one, METRICS_STREAM);
    metrics_open(scrape->loops[1], &two, METRICS_STREAM);
    metrics_open(scrape->loops[1], &two, METRICS_TUNNEL);
    scrape_now(scrape);
    assert_line(scrape, "sockwarden_open_streams 1");
    assert_line(scrape, "sockwarden_open_tunnels 1");
    metrics_close(scrape->loops[0], &one);
    metrics_close(scrape->loops[0], &one);
    metrics_close(scrape->loops[1], &two);
    scrape_now(scrape);
    assert_line(scrape, "sockwarden_open_streams 0");
    assert_line(scrape, "sockwarden_open_tunnels 0");
}

static void test_rest(void **state)
{
    struct scrape *scrape = *state;
    struct metrics_bytes seen = {0, 0};
    metrics_count_bytes(scrape->loops[0], &seen, 10, 20);
    metrics_count_bytes(scrape->loops[0], &seen, 15, 20);
    metrics_count_handshake(scrape->loops[0], true);
    metrics_count_handshake_failure(scrape->loops[1], TLS_FAILURE_EXPIRED);
    metrics_count_handshake_failure(scrape->loops[1], TLS_FAILURE_LATE);
    metrics_count_connection(scrape->loops[0], "l");
    metrics_count_connection(scrape->loops[1], "l");
    metrics_count_reload(true);
    metrics_count_reload(false);
    metrics_count_reload(false);
    scrape_now(scrape);
    static const char *const lines[] = {
        "sockwarden_client_received_bytes_total 15",
        "sockwarden_client_sent_bytes_total 20",
        "sockwarden_audit_lines_total 3",
        "sockwarden_audit_failures_total 2",
        "sockwarden_tls_handshakes_total{result=\"full\"} 0",
        "sockwarden_tls_handshakes_total{result=\"resumed\"} 1",
        "sockwarden_tls_handshakes_total{result=\"failed\"} 2",
        "sockwarden_tls_handshake_failures_total{reason=\"expired\"} 1",
        "sockwarden_tls_handshake_failures_total{reason=\"timeout\"} 1",
        "sockwarden_connections_total{listener=\"l\"} 2",
        "sockwarden_reloads_total{result=\"success\"} 1",
        "sockwarden_reloads_total{result=\"failure\"} 2",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_line(scrape, lines[i]);
    assert_null(strstr(scrape->text, "sockwarden_last_reload_success_timestamp_seconds 0\n"));
}

/* Nobody counts: nothing happens. */
static void test_none(void **state)
{
    (void)state;
    struct metrics_bytes seen = {0, 0};
    enum metrics_span span = METRICS_NO_SPAN;
    metrics_count_request(NULL, OP_SystemPing, "a", "l", true);
    metrics_count_refusal(NULL, 400);
    metrics_observe_response(NULL, OP_SystemPing, 1);
    metrics_observe_decision(NULL, 1);
    metrics_count_connection(NULL, "l");
    metrics_count_bytes(NULL, &seen, 1, 2);
    metrics_count_upstream_errno(NULL, ENOENT);
    metrics_count_handshake(NULL, false);
    metrics_count_handshake_failure(NULL, TLS_FAILURE_OTHER);
    metrics_open(NULL, &span, METRICS_TUNNEL);
    metrics_close(NULL, &span);
    assert_int_equal(span, METRICS_NO_SPAN);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TLS_FAILURES; i++)
        assert_non_null(tls_failure_name((enum tls_failure)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_upstream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spans, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest, setup, teardown),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
