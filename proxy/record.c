/* What an audit line holds. Secrets never appear: no registry credentials, no build arguments, no
   values of the environment; paths carry only the parameters that the tables mark as safe. */
#include "exchange.h"

enum {
    LINE_MAX_BYTES = 32 << 10, /* of one line; every text in it is bounded below that */
    FACTS_FULL = 24 << 10,     /* bytes of a line behind which no further fact is listed */
    NAME_SHOWN_MAX = 512,
    FACT_SHOWN_MAX = 256,
};

static void write_id(const struct exchange *exchange, struct json_out *out)
{
    char digits[DECIMAL_MAX], id[sizeof(exchange->context->id_prefix) + DECIMAL_MAX];
    struct str number = decimal_text(digits, exchange->id);
    struct str prefix = str_of(exchange->context->id_prefix);
    memcpy(id, prefix.p, prefix.n);
    memcpy(id + prefix.n, number.p, number.n);
    json_out_member(out, "id", (struct str){id, prefix.n + number.n});
}

static void begin(const struct exchange *exchange, const char *record, struct json_out *out)
{
    char when[TIME_TEXT_LEN + 1];
    time_text(when);
    json_out_open(out, '{');
    json_out_member(out, "time", str_of(when));
    json_out_member(out, "record", str_of(record));
    write_id(exchange, out);
    if (exchange->served.client)
        json_out_member(out, "client", str_of(exchange->served.client));
    if (*exchange_role_name(exchange))
        json_out_member(out, "role", str_of(exchange_role_name(exchange)));
    json_out_member(out, "listener", str_of(exchange->peer->listener));
    json_out_key(out, "peer");
    json_out_open(out, '{');
    identity_write(exchange->peer, out);
    json_out_close(out, '}');
}

static bool finish(struct exchange *exchange, struct json_out *out)
{
    json_out_close(out, '}');
    json_out_raw(out, STR("\n"));
    if (out->len > out->cap) {
        exchange->context->batch.failed = true;
        exchange->context->batch.lost++;
        return false;
    }
    audit_commit(&exchange->context->batch, out->len);
    return true;
}

static bool open_line(struct exchange *exchange, struct json_out *out)
{
    char *p = audit_reserve(&exchange->context->batch, LINE_MAX_BYTES);
    *out = (struct json_out){.p = p, .cap = LINE_MAX_BYTES};
    return p != NULL;
}

static void write_status(const struct exchange *exchange, struct json_out *out)
{
    if (exchange->status) {
        json_out_key(out, "status");
        json_out_uint(out, exchange->status);
    }
}

static void write_request(const struct exchange *exchange, struct json_out *out)
{
    const struct inquiry *inquiry = exchange->inquiry;
    const struct request *request = &inquiry->request;
    json_out_member(out, "method", str_head(inquiry->http.head.method, 32));
    size_t length = 0;
    if (request->route) {
        char *path = exchange->context->path_shown;
        request_log_path(request, path, PATH_SHOWN_MAX, &length);
        json_out_member(out, "path", str_head((struct str){path, length}, PATH_SHOWN_MAX));
        json_out_member(out, "operation", str_of(operation_name(request->route->op)));
        struct str object = request->name.n ? request->name : request_param(request, "name");
        if (object.n)
            json_out_member(out, "object", str_head(object, NAME_SHOWN_MAX));
    } else {
        /* Not understood, so nobody knows which parameter is a secret: only the path. */
        struct str target = inquiry->http.head.target;
        target = str_head(target, str_find(target, '?'));
        json_out_member(out, "path", str_head(target, PATH_SHOWN_MAX));
    }
    if (request->versioned) {
        char api[2 * DECIMAL_MAX + 1], digits[DECIMAL_MAX];
        struct head_out text = {.p = api, .cap = sizeof(api)};
        head_put(&text, decimal_text(digits, (uint64_t)request->api_major));
        head_put(&text, STR("."));
        head_put(&text, decimal_text(digits, (uint64_t)request->api_minor));
        json_out_member(out, "api", (struct str){api, text.n});
    }
}

static void write_decision(const struct exchange *exchange, struct json_out *out)
{
    const struct decision *decision = &exchange->inquiry->decision;
    bool allow = decision->verdict == VERDICT_ALLOW, would_deny = exchange->inquiry->would_deny;
    json_out_member(out, "decision", allow || would_deny ? STR("allow") : STR("deny"));
    if (allow)
        return;
    if (would_deny) {
        json_out_key(out, "would_deny");
        json_out_raw(out, STR("true"));
    }
    json_out_member(out, "reason", str_of(decision->reason));
    if (decision->field[0])
        json_out_member(out, "field", str_of(decision->field));
    if (decision->rule)
        json_out_member(out, "rule", str_of(decision->rule));
}

static void write_fact(const struct fact *fact, struct json_out *out)
{
    json_out_open(out, '{');
    json_out_member(out, "fact", str_of(fact_kind_name(fact->kind)));
    json_out_member(out, "name", str_head(fact->name, FACT_SHOWN_MAX));
    json_out_member(out, "id", str_head(fact->id, FACT_SHOWN_MAX));
    if (fact->state != FACT_FOUND) {
        json_out_key(out, fact->state == FACT_MISSING ? "missing" : "failed");
        json_out_raw(out, STR("true"));
    }
    json_out_close(out, '}');
}

/* What the decision was told, so that it can be taken once more; nothing of the answers but which
   object it was. */
static void write_facts(const struct inquiry *inquiry, struct json_out *out)
{
    const struct facts *facts = &inquiry->facts;
    const struct decision *decision = &inquiry->decision;
    struct str id = decision->pinned;
    if (facts->count == 0)
        return;
    for (size_t i = 0; i < decision->change_count && id.n == 0; i++)
        if (strcmp(decision->changes[i].name, "container") == 0)
            id = decision->changes[i].value;
    json_out_member(out, "object_id", str_head(id, FACT_SHOWN_MAX));
    json_out_key(out, "facts");
    json_out_open(out, '[');
    for (size_t i = 0; i < facts->count && out->len < FACTS_FULL; i++)
        if (facts->items[i].state != FACT_WANTED)
            write_fact(&facts->items[i], out);
    json_out_close(out, ']');
}

/* Whose signature the decision rests on, or why it found none. */
static void write_signature(const struct decision *decision, struct json_out *out)
{
    const struct signed_note *note = &decision->signature;
    const struct {
        const char *name, *text;
    } members[] = {{"reason", note->reason},
                   {"digest", note->digest},
                   {"key", note->key},
                   {"format", note->format}};
    if (!note->reason[0])
        return;
    json_out_key(out, "signature");
    json_out_open(out, '{');
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (members[i].text[0])
            json_out_member(out, members[i].name, str_of(members[i].text));
    json_out_close(out, '}');
}

/* False: it could not be taken, and a line without it would say that there was no body. */
static bool write_body_hash(struct exchange *exchange, struct json_out *out)
{
    static const char hex[] = "0123456789abcdef";
    const struct inquiry *inquiry = exchange->inquiry;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *context = exchange->context->digest;
    if (inquiry->body.length == 0 || !inquiry->request.route ||
        inquiry->request.route->body != BODY_JSON)
        return true;
    if (EVP_DigestInit_ex2(context, exchange->context->sha256, NULL) != 1 ||
        EVP_DigestUpdate(context, inquiry->body.p, inquiry->body.length) != 1 ||
        EVP_DigestFinal_ex(context, digest, &n) != 1)
        return false;
    char text[2 * EVP_MAX_MD_SIZE];
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = hex[digest[i] >> 4];
        text[2 * i + 1] = hex[digest[i] & 15];
    }
    json_out_member(out, "body_sha256", (struct str){text, (size_t)n * 2});
    return true;
}

/* What it needs of a role, for `sockwarden learn`: values of what the policy's keys govern, and
   nothing else of the body. */
static void write_uses(const struct exchange *exchange, struct json_out *out)
{
    const struct uses *uses = exchange->inquiry->uses;
    bool fits = true;
    if (!uses || !exchange->allowed)
        return;
    if (uses->count > 0) {
        json_out_key(out, "uses");
        fits = uses_write(uses, out);
    }
    if (uses->lack[0] || !fits)
        json_out_member(out, "uses_lack",
                        fits ? str_of(uses->lack) : STR("it needs more than a line holds"));
}

static enum metrics_decision counted_as(const struct inquiry *inquiry)
{
    if (inquiry->would_deny)
        return METRICS_WOULD_DENY;
    return inquiry->decision.verdict == VERDICT_ALLOW ? METRICS_ALLOW : METRICS_DENY;
}

bool record_request(struct exchange *exchange)
{
    struct json_out out;
    const char *role = exchange_role_name(exchange);
    metrics_count_request(exchange->context->metrics,
                          exchange->route ? exchange->route->op : OP_COUNT, *role ? role : NULL,
                          exchange->peer->listener, counted_as(exchange->inquiry));
    if (!open_line(exchange, &out))
        return false;
    begin(exchange, "request", &out);
    write_request(exchange, &out);
    write_decision(exchange, &out);
    json_out_member(&out, "policy", str_of(exchange->snapshot->hash));
    write_status(exchange, &out);
    write_uses(exchange, &out);
    write_facts(exchange->inquiry, &out);
    write_signature(&exchange->inquiry->decision, &out);
    if (!write_body_hash(exchange, &out))
        exchange->context->batch.failed = true;
    struct str image = request_image(&exchange->inquiry->request, exchange->inquiry->read,
                                     &exchange->context->scratch);
    if (image.n)
        json_out_member(&out, "image", str_head(image, NAME_SHOWN_MAX));
    return finish(exchange, &out);
}

/* rule NULL: none of the policy's. */
static bool write_refused(struct exchange *exchange, int status, const char *why, const char *rule,
                          uint64_t count)
{
    struct json_out out;
    if (!open_line(exchange, &out))
        return false;
    begin(exchange, "refused", &out);
    if (exchange->inquiry && exchange->route)
        write_request(exchange, &out);
    json_out_member(&out, "decision", STR("deny"));
    json_out_member(&out, "reason", str_of(why));
    if (rule) {
        json_out_member(&out, "rule", str_of(rule));
        json_out_key(&out, "count");
        json_out_uint(&out, count);
    }
    if (status) {
        json_out_key(&out, "status");
        json_out_int(&out, status);
    }
    return finish(exchange, &out);
}

bool record_verify(struct exchange *exchange, int status, bool removed)
{
    struct json_out out;
    if (!open_line(exchange, &out))
        return false;
    begin(exchange, "verify", &out);
    write_request(exchange, &out);
    write_decision(exchange, &out);
    json_out_key(&out, "status");
    json_out_int(&out, status);
    json_out_member(&out, "container", exchange->inquiry->made);
    json_out_key(&out, "removed");
    json_out_raw(&out, removed ? STR("true") : STR("false"));
    write_facts(exchange->inquiry, &out);
    return finish(exchange, &out);
}

bool record_pull(struct exchange *exchange, const struct record_pull *pull)
{
    struct json_out out;
    if (!open_line(exchange, &out))
        return false;
    begin(exchange, "verify", &out);
    json_out_member(&out, "operation", str_of(operation_name(exchange->route->op)));
    json_out_member(&out, "decision",
                    pull->verified || pull->would_deny ? STR("allow") : STR("deny"));
    if (pull->would_deny) {
        json_out_key(&out, "would_deny");
        json_out_raw(&out, STR("true"));
    }
    if (pull->why[0])
        json_out_member(&out, "reason", str_of(pull->why));
    json_out_member(&out, "image", str_head(pull->reference, NAME_SHOWN_MAX));
    json_out_member(&out, "image_id", pull->id);
    if (pull->tagged)
        json_out_member(&out, "tag", pull->tag);
    if (pull->key.n > 0)
        json_out_member(&out, "key", str_head(pull->key, FACT_SHOWN_MAX));
    if (pull->format.n > 0)
        json_out_member(&out, "format", str_head(pull->format, FACT_SHOWN_MAX));
    json_out_key(&out, "removed");
    json_out_raw(&out, pull->removed ? STR("true") : STR("false"));
    return finish(exchange, &out);
}

bool record_refused(struct exchange *exchange, int status, const char *why)
{
    metrics_count_refusal(exchange->context->metrics, status);
    return write_refused(exchange, status, why, NULL, 0);
}

bool record_limited(struct exchange *exchange, const char *rule, const char *why, int status,
                    uint64_t count)
{
    return write_refused(exchange, status, why, rule, count);
}

void record_end(struct exchange *exchange)
{
    struct json_out out;
    if (!open_line(exchange, &out))
        return;
    begin(exchange, "end", &out);
    if (exchange->route)
        json_out_member(&out, "operation", str_of(operation_name(exchange->route->op)));
    if (exchange->cut)
        json_out_member(&out, "reason", str_of(exchange->cut));
    write_status(exchange, &out);
    json_out_key(&out, "bytes_in");
    json_out_uint(&out, exchange->client->bytes_in - exchange->client_in);
    json_out_key(&out, "bytes_out");
    json_out_uint(&out, exchange->client->bytes_out - exchange->client_out);
    json_out_key(&out, "duration_ms");
    json_out_uint(&out, (clock_now_ns() - exchange->started_ns) / 1000000);
    finish(exchange, &out);
}
