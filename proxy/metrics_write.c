/* Which metrics there are; see metrics_write.h. sockwarden(8), METRICS, explains each. */
#include "metrics_write.h"

#include "registry.h"

#include <stdlib.h>

#define PREFIX "sockwarden_"

static uint64_t get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* ---- sums over the loops ------------------------------------------------------------------- */

/* A number by its place in struct metrics. */
static uint64_t sum_at(const struct metrics_view *view, size_t offset)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < view->loop_count; i++)
        sum += get((const _Atomic uint64_t *)(const void *)((const char *)view->loops[i] + offset));
    return sum;
}

#define SUM(view, field) sum_at(view, offsetof(struct metrics, field))

static void one(struct metrics_text *text, const char *name, const char *type, const char *help,
                uint64_t value)
{
    metrics_text_family(text, name, type, help);
    metrics_text_sample(text, name, NULL, 0, value);
}

/* A counter for each of several kinds; numbers that stand side by side. */
static void by_kind(const struct metrics_view *view, struct metrics_text *text, const char *name,
                    const char *label, const char *const *kinds, size_t count, size_t offset)
{
    for (size_t i = 0; i < count; i++) {
        struct metrics_label labels[] = {{label, str_of(kinds[i])}};
        metrics_text_sample(text, name, labels, 1,
                            sum_at(view, offset + i * sizeof(_Atomic uint64_t)));
    }
}

static void histogram(const struct metrics_view *view, struct metrics_text *text, const char *name,
                      const struct metrics_label *labels, size_t count, const uint64_t *bounds,
                      size_t offset)
{
    uint64_t buckets[METRICS_BUCKETS_MAX];
    for (size_t i = 0; i < METRICS_BUCKETS_MAX; i++)
        buckets[i] = sum_at(view, offset + offsetof(struct metrics_histogram, buckets) +
                                      i * sizeof(_Atomic uint64_t));
    uint64_t sum_ns = sum_at(view, offset + offsetof(struct metrics_histogram, sum_ns));
    metrics_text_histogram(text, name, labels, count, bounds, buckets, sum_ns);
}

/* ---- series with names --------------------------------------------------------------------- */

struct row {
    const char *operation, *role, *listener;
    enum metrics_decision decision;
    uint64_t count;
};

struct rows {
    struct row *items;
    size_t count, cap;
};

static const char *name_of(const struct metrics_names *names, unsigned index)
{
    if (index == METRICS_NAME_NONE)
        return "";
    return index < METRICS_NAMES_MAX ? names->names[index] : "other";
}

static void rows_add(struct rows *rows, struct row row)
{
    if (row.count > 0 && rows->count < rows->cap)
        rows->items[rows->count++] = row;
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = strcmp(a->operation, b->operation);
    order = order ? order : (int)a->decision - (int)b->decision;
    order = order ? order : strcmp(a->role, b->role);
    return order ? order : strcmp(a->listener, b->listener);
}

/* Each loop has its own numbers for the same names, and the same series. */
static void rows_merge(struct rows *rows)
{
    size_t kept = 0;
    if (rows->count == 0)
        return;
    qsort(rows->items, rows->count, sizeof(*rows->items), compare_rows);
    for (size_t i = 1; i < rows->count; i++) {
        if (compare_rows(&rows->items[kept], &rows->items[i]) == 0)
            rows->items[kept].count += rows->items[i].count;
        else
            rows->items[++kept] = rows->items[i];
    }
    rows->count = kept + 1;
}

static void collect_requests(const struct metrics *metrics, struct rows *rows)
{
    for (size_t i = 0; i < METRICS_SERIES_SLOTS; i++) {
        const struct metrics_series *series = &metrics->series[i];
        uint32_t key = atomic_load_explicit(&series->key, memory_order_acquire);
        if (!key)
            continue;
        enum operation op = metrics_key_op(key);
        rows_add(rows, (struct row){
                           .operation = op < OP_COUNT ? operation_name(op) : "other",
                           .role = name_of(&metrics->roles, metrics_key_role(key)),
                           .listener = name_of(&metrics->listeners, metrics_key_listener(key)),
                           .decision = metrics_key_decision(key),
                           .count = get(&series->count),
                       });
    }
    for (unsigned i = 0; i < METRICS_DECISIONS; i++)
        rows_add(rows, (struct row){"other", "other", "other", (enum metrics_decision)i,
                                    get(&metrics->overflow[i])});
}

static void collect_connections(const struct metrics *metrics, struct rows *rows)
{
    for (unsigned i = 0; i <= METRICS_NAMES_MAX; i++)
        rows_add(rows, (struct row){"", "", name_of(&metrics->listeners, i), METRICS_ALLOW,
                                    get(&metrics->connections[i])});
}

static void write_requests(const struct metrics_view *view, struct rows *rows,
                           struct metrics_text *text)
{
    static const char *const decisions[METRICS_DECISIONS] = {
        [METRICS_DENY] = "deny", [METRICS_ALLOW] = "allow", [METRICS_WOULD_DENY] = "would_deny"};
    const char *name = PREFIX "requests_total";
    metrics_text_family(text, name, "counter", "Decided requests; each is an audit line.");
    rows->count = 0;
    for (size_t i = 0; i < view->loop_count; i++)
        collect_requests(view->loops[i], rows);
    rows_merge(rows);
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->items[i];
        struct metrics_label labels[] = {
            {"operation", str_of(row->operation)},
            {"role", str_of(row->role)},
            {"decision", str_of(decisions[row->decision])},
            {"listener", str_of(row->listener)},
        };
        metrics_text_sample(text, name, labels, ARRAY_LEN(labels), row->count);
    }
}

static void write_accepted(const struct metrics_view *view, struct rows *rows,
                           struct metrics_text *text)
{
    const char *name = PREFIX "connections_total";
    metrics_text_family(text, name, "counter", "Connections of clients that were accepted.");
    rows->count = 0;
    for (size_t i = 0; i < view->loop_count; i++)
        collect_connections(view->loops[i], rows);
    rows_merge(rows);
    for (size_t i = 0; i < rows->count; i++) {
        struct metrics_label labels[] = {{"listener", str_of(rows->items[i].listener)}};
        metrics_text_sample(text, name, labels, 1, rows->items[i].count);
    }
}

static void write_named(const struct metrics_view *view, struct metrics_text *text)
{
    struct rows rows = {.cap = view->loop_count * (METRICS_SERIES_SLOTS + 2)};
    rows.items = calloc(rows.cap ? rows.cap : 1, sizeof(*rows.items));
    if (!rows.items) {
        text->failed = true;
        return;
    }
    write_requests(view, &rows, text);
    write_accepted(view, &rows, text);
    free(rows.items);
}

/* ---- families ------------------------------------------------------------------------------ */

static void write_infos(const struct metrics_view *view, struct metrics_text *text)
{
    const struct metrics_label build[] = {{"version", STR(SOCKWARDEN_VERSION)}};
    /* The only format of policies that loads has the version 1. */
    const struct metrics_label policy[] = {{"hash", str_of(view->policy_hash)},
                                           {"version", STR("1")}};
    metrics_text_family(text, PREFIX "build_info", "gauge", "The version of sockwarden; always 1.");
    metrics_text_sample(text, PREFIX "build_info", build, 1, 1);
    metrics_text_family(text, PREFIX "policy_info", "gauge",
                        "The policy in force: SHA-256 of its file, or builtin; always 1.");
    metrics_text_sample(text, PREFIX "policy_info", policy, 2, 1);
}

static void write_mode(const struct metrics_view *view, struct metrics_text *text)
{
    one(text, PREFIX "audit_mode", "gauge",
        "1 with --mode audit: what the policy refuses is let through, and only recorded.",
        view->audit_mode);
}

static void write_refusals(const struct metrics_view *view, struct metrics_text *text)
{
    static const char *const kinds[METRICS_REFUSALS] = {
        [METRICS_REFUSED_MALFORMED] = "malformed", [METRICS_REFUSED_ORIGIN] = "origin",
        [METRICS_REFUSED_LATE] = "timeout",        [METRICS_REFUSED_LARGE] = "too_large",
        [METRICS_REFUSED_BUSY] = "overload",       [METRICS_REFUSED_TLS] = "tls",
        [METRICS_REFUSED_OTHER] = "other",
    };
    metrics_text_family(text, PREFIX "refusals_total", "counter",
                        "What never became a request that could be decided.");
    by_kind(view, text, PREFIX "refusals_total", "reason", kinds, ARRAY_LEN(kinds),
            offsetof(struct metrics, refusals));
}

static void write_limits(const struct metrics_view *view, struct metrics_text *text)
{
    const char *kinds[LIMIT_BURST]; /* which is no limit of its own */
    for (enum limit limit = 0; limit < LIMIT_BURST; limit++)
        kinds[limit] = limit_name(limit);
    metrics_text_family(text, PREFIX "limit_refusals_total", "counter",
                        "Requests and connections beyond a limit of their client.");
    by_kind(view, text, PREFIX "limit_refusals_total", "limit", kinds, ARRAY_LEN(kinds),
            offsetof(struct metrics, limits));
}

static void write_times(const struct metrics_view *view, struct metrics_text *text)
{
    const char *name = PREFIX "request_duration_seconds";
    metrics_text_family(text, name, "histogram",
                        "From the first byte of an allowed request to the end of the head of its "
                        "answer.");
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        struct metrics_label labels[] = {{"class", str_of(class_name((enum op_class)c))}};
        histogram(view, text, name, labels, 1, metrics_response_bounds,
                  offsetof(struct metrics, response) + c * sizeof(struct metrics_histogram));
    }
    name = PREFIX "decision_duration_seconds";
    metrics_text_family(text, name, "histogram", "What the policy's decisions took.");
    histogram(view, text, name, NULL, 0, metrics_decision_bounds,
              offsetof(struct metrics, decision));
}

static void write_connections(const struct metrics_view *view, struct metrics_text *text)
{
    one(text, PREFIX "connections", "gauge", "Open connections of clients.", view->connections);
    one(text, PREFIX "connections_max", "gauge", "How many may be open (--max-connections).",
        view->connections_max);
    one(text, PREFIX "open_streams", "gauge",
        "Answers of unknown length that are being relayed (events, logs -f, stats, pulls).",
        SUM(view, open[METRICS_STREAM]));
    one(text, PREFIX "open_tunnels", "gauge", "Open tunnels (attach, exec, BuildKit).",
        SUM(view, open[METRICS_TUNNEL]));
    one(text, PREFIX "client_received_bytes_total", "counter",
        "Bytes from clients, without what TLS adds.", SUM(view, bytes_in));
    one(text, PREFIX "client_sent_bytes_total", "counter",
        "Bytes to clients, without what TLS adds.", SUM(view, bytes_out));
}

static void write_upstream(const struct metrics_view *view, struct metrics_text *text)
{
    static const char *const kinds[METRICS_UPSTREAMS] = {
        [METRICS_UPSTREAM_MISSING] = "missing",   [METRICS_UPSTREAM_REFUSED] = "refused",
        [METRICS_UPSTREAM_DENIED] = "permission", [METRICS_UPSTREAM_BUSY] = "busy",
        [METRICS_UPSTREAM_TIMEOUT] = "timeout",   [METRICS_UPSTREAM_BROKEN] = "broken",
        [METRICS_UPSTREAM_INVALID] = "invalid",   [METRICS_UPSTREAM_OTHER] = "other",
    };
    metrics_text_family(text, PREFIX "upstream_errors_total", "counter",
                        "Requests that the Docker daemon did not answer as it should.");
    by_kind(view, text, PREFIX "upstream_errors_total", "kind", kinds, ARRAY_LEN(kinds),
            offsetof(struct metrics, upstream_errors));
}

static void write_pulls(const struct metrics_view *view, struct metrics_text *text)
{
    static const char *const kinds[METRICS_PULLS] = {
        [METRICS_PULL_VERIFIED] = "verified",
        [METRICS_PULL_UNTAGGED] = "untagged",
        [METRICS_PULL_REFUSED] = "refused",
    };
    metrics_text_family(text, PREFIX "signed_pulls_total", "counter",
                        "Pulls of signed images, by what the daemon had when they ended.");
    by_kind(view, text, PREFIX "signed_pulls_total", "outcome", kinds, ARRAY_LEN(kinds),
            offsetof(struct metrics, pulls));
}

static void write_audit(const struct metrics_view *view, struct metrics_text *text)
{
    one(text, PREFIX "audit_lines_total", "counter", "Audit lines that were written.",
        view->audit.written);
    one(text, PREFIX "audit_failures_total", "counter",
        "Audit lines that could not be written to every log.", view->audit.lacking);
    one(text, PREFIX "audit_failing", "gauge", "1 while an audit log cannot be written.",
        view->audit_failing);
}

static void write_tls(const struct metrics_view *view, struct metrics_text *text)
{
    const char *name = PREFIX "tls_handshakes_total";
    struct metrics_label result[] = {{"result", STR("full")}};
    uint64_t failed = 0;
    const char *kinds[TLS_FAILURES];
    for (unsigned i = 0; i < TLS_FAILURES; i++) {
        kinds[i] = tls_failure_name((enum tls_failure)i);
        failed += sum_at(view, offsetof(struct metrics, handshake_failures) +
                                   i * sizeof(_Atomic uint64_t));
    }
    metrics_text_family(text, name, "counter", "TLS handshakes that ended.");
    metrics_text_sample(text, name, result, 1, SUM(view, handshakes_full));
    result[0].value = STR("resumed");
    metrics_text_sample(text, name, result, 1, SUM(view, handshakes_resumed));
    result[0].value = STR("failed");
    metrics_text_sample(text, name, result, 1, failed);
    name = PREFIX "tls_handshake_failures_total";
    metrics_text_family(text, name, "counter", "TLS handshakes that failed.");
    by_kind(view, text, name, "reason", kinds, ARRAY_LEN(kinds),
            offsetof(struct metrics, handshake_failures));
    if (view->not_after)
        one(text, PREFIX "tls_certificate_not_after_timestamp_seconds", "gauge",
            "When the server's certificate ends, in seconds since the epoch.",
            (uint64_t)view->not_after);
}

static void write_reloads(const struct metrics_view *view, struct metrics_text *text)
{
    const char *name = PREFIX "reloads_total";
    struct metrics_reloads reloads = metrics_reloads_read();
    struct metrics_label result[] = {{"result", STR("success")}};
    metrics_text_family(text, name, "counter", "Reloads of policy, certificates and logs.");
    metrics_text_sample(text, name, result, 1, reloads.succeeded);
    result[0].value = STR("failure");
    metrics_text_sample(text, name, result, 1, reloads.failed);
    /* What is loaded at the start has been loaded, too. */
    one(text, PREFIX "last_reload_success_timestamp_seconds", "gauge",
        "When the policy in force was loaded, in seconds since the epoch.",
        reloads.last_success ? (uint64_t)reloads.last_success
                             : view->process.start_ns / 1000000000);
}

static void write_process(const struct process_state *process, struct metrics_text *text)
{
    metrics_text_family(text, "process_start_time_seconds", "gauge",
                        "When the process started, in seconds since the epoch.");
    metrics_text_seconds(text, "process_start_time_seconds", NULL, 0, process->start_ns);
    metrics_text_family(text, "process_cpu_seconds_total", "counter",
                        "Processor time of the process.");
    metrics_text_seconds(text, "process_cpu_seconds_total", NULL, 0, process->cpu_ns);
    one(text, "process_open_fds", "gauge", "Open descriptors.", process->fds);
    one(text, "process_max_fds", "gauge", "How many may be open.", process->fds_max);
    if (!process->resident)
        return;
    one(text, "process_resident_memory_bytes", "gauge", "Resident memory.", process->resident);
    one(text, "process_virtual_memory_bytes", "gauge", "Virtual memory.", process->virtual_size);
}

static void write_registry(struct metrics_text *text)
{
    static const char *const names[] = {
        [TRUST_GOT] = "got",     [TRUST_ABSENT] = "absent", [TRUST_LARGE] = "large",
        [TRUST_ERROR] = "error", [TRUST_DEAD] = "dead",
    };
    struct registry_counts counts = registry_counts_read();
    const char *name = PREFIX "registry_answers_total";
    metrics_text_family(text, name, "counter",
                        "Answers to questions that registries were asked; dead: nobody asked.");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct metrics_label labels[] = {{"result", str_of(names[i])}};
        metrics_text_sample(text, name, labels, 1, counts.outcomes[i]);
    }
    one(text, PREFIX "registry_helper_up", "gauge", "Is there who asks registries?", counts.up);
    name = PREFIX "registry_helper_deaths_total";
    metrics_text_family(text, name, "counter", "Registry helpers that have ended by themselves.");
    metrics_text_sample(text, name, NULL, 0, counts.deaths);
}

static void write_trust(const struct metrics_view *view, struct metrics_text *text)
{
    struct trust_count count;
    const char *name = PREFIX "signature_verdicts_total";
    metrics_text_family(text, name, "counter",
                        "Answers to whether an image is signed, by reason; ok: it is.");
    for (size_t i = 0; view->trust && trust_count(view->trust, i, &count); i++) {
        struct metrics_label labels[] = {{"reason", str_of(count.reason)}};
        metrics_text_sample(text, name, labels, 1, count.answers);
    }
    one(text, PREFIX "signature_ledger_entries", "gauge", "IDs of images that were found signed.",
        view->trust ? trust_known(view->trust) : 0);
}

void metrics_write(const struct metrics_view *view, struct metrics_text *text)
{
    write_infos(view, text);
    write_named(view, text);
    write_mode(view, text);
    write_refusals(view, text);
    write_limits(view, text);
    write_times(view, text);
    write_connections(view, text);
    write_upstream(view, text);
    write_trust(view, text);
    write_registry(text);
    write_pulls(view, text);
    write_audit(view, text);
    write_tls(view, text);
    write_reloads(view, text);
    write_process(&view->process, text);
}
