/* libFuzzer target for queries and names. Two bytes pick a route and the way of encoding; the lines
   behind them are the names of the path and then names and values of parameters. The target is
   written here, so what it means is known: it is read as that or refused, what is sent on means the
   same, and the log's path holds no value of a secret parameter. */
#include "fuzz_help.h"
#include "schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CANARY "kAnArY7f3e"

static void put_encoded(struct text *text, struct str s, unsigned how)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        char escape[4];
        bool plain = ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_' || c == '.';
        if (c == ' ' && (how & 1)) {
            put(text, "+");
        } else if (plain && !((how & 2) && i % 3 == 0 && c != '.')) {
            put_bytes(text, (struct str){&c, 1});
        } else {
            snprintf(escape, sizeof(escape), how & 4 ? "%%%02x" : "%%%02X", (unsigned char)c);
            put(text, escape);
        }
    }
}

/* The row that a line's first byte picks among those of the operation; NULL: none. */
static const struct param_row *pick(enum operation op, unsigned char which)
{
    size_t count = 0;
    for (size_t i = 0; i < param_rows_count; i++)
        count += param_rows[i].op == op;
    size_t wanted = count ? which % count : 0;
    for (size_t i = 0; i < param_rows_count && count; i++)
        if (param_rows[i].op == op && wanted-- == 0)
            return &param_rows[i];
    return NULL;
}

enum { PAIRS_MAX = 12 };

struct pair {
    const struct param_row *row; /* NULL: a name that is not known */
    struct str value;
    char secret[256]; /* value with the canary in front, where the row is secret */
};

static struct pair pairs[PAIRS_MAX];
static struct text target;

static void put_path(const struct route *route, struct str name, struct str name2)
{
    struct str path = str_of(route->path);
    put(&target, "/v1.41");
    for (int which = 0; path.n; which++) {
        size_t brace = str_find(path, '{');
        put_bytes(&target, str_head(path, brace));
        path = str_skip(path, brace);
        if (path.n == 0)
            break;
        put_encoded(&target, which ? name2 : name, 0);
        path = str_skip(path, str_find(path, '}') + 1);
    }
}

static size_t put_query(const struct route *route, struct str *input, unsigned how)
{
    size_t count = 0;
    while (input->n && count < PAIRS_MAX) {
        struct str line = take_line(input);
        struct pair *pair = &pairs[count];
        if (line.n == 0)
            continue;
        pair->row = pick(route->op, (unsigned char)line.p[0]);
        pair->value = str_skip(line, 1);
        if (pair->row && pair->row->secret) {
            int n = snprintf(pair->secret, sizeof(pair->secret), CANARY "%.*s",
                             (int)(pair->value.n > 200 ? 200 : pair->value.n), pair->value.p);
            pair->value = (struct str){pair->secret, (size_t)n};
        }
        put(&target, count ? "&" : "?");
        put_encoded(&target, pair->row ? str_of(pair->row->name) : STR("noSuchName"), how & 6);
        put(&target, "=");
        put_encoded(&target, pair->value, how);
        count++;
    }
    return count;
}

static bool same_request(const struct request *a, const struct request *b)
{
    bool same = a->route == b->route && a->api_minor == b->api_minor && str_eq(a->name, b->name) &&
                str_eq(a->name2, b->name2) && a->param_count == b->param_count;
    for (size_t i = 0; same && i < a->param_count; i++)
        same =
            a->params[i].row == b->params[i].row && str_eq(a->params[i].value, b->params[i].value);
    return same;
}

/* The parameters are those that were written, in that order. */
static void check_params(const struct request *request, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!pairs[i].row)
            continue;
        must(at < request->param_count && request->params[at].row == pairs[i].row);
        must(str_eq(request->params[at].value, pairs[i].value));
        at++;
    }
    must(at == request->param_count);
}

static void check_log(const struct request *request)
{
    static char log[FUZZ_TEXT_MAX];
    static struct request again;
    struct decision decision;
    struct arena arena = {0};
    size_t n = 0;
    must(request_log_path(request, log, sizeof(log), &n));
    must(memmem(log, n, CANARY, sizeof(CANARY) - 1) == NULL);
    if (request_parse(str_of(request->route->method), (struct str){log, n}, &arena, &again,
                      &decision)) {
        must(again.route == request->route && str_eq(again.name, request->name));
        for (size_t i = 0; i < again.param_count; i++)
            must(!again.params[i].row->secret);
    } else {
        must(n > TARGET_MAX);
    }
    arena_free(&arena);
}

static void check_accepted(const struct request *request)
{
    static char sent[FUZZ_TEXT_MAX];
    static struct request again;
    struct decision decision;
    struct arena arena = {0};
    size_t n = 0;
    must(request_target(request, sent, sizeof(sent), &n));
    if (request_parse(str_of(request->route->method), (struct str){sent, n}, &arena, &again,
                      &decision))
        must(same_request(request, &again));
    else
        must(n > TARGET_MAX);
    check_log(request);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request request;
    struct arena arena = {0};
    struct decision decision;
    if (size < 2 || size > 8192 || memmem(data, size, "kAnArY", 6))
        return 0;
    const struct route *route = &routes[data[0] % routes_count];
    struct str input = {(const char *)data + 2, size - 2};
    struct str name = take_line(&input);
    struct str name2 = take_line(&input);
    target.n = 0;
    put_path(route, name, name2);
    size_t count = put_query(route, &input, data[1]);
    if (request_parse(str_of(route->method), text_str(&target), &arena, &request, &decision)) {
        /* a name may lead to another route of the same method */
        if (request.route == route) {
            must(str_find(str_of(route->path), '{') == strlen(route->path) ||
                 str_eq(request.name, name));
            check_params(&request, count);
        }
        check_accepted(&request);
    } else {
        check_decision(&decision);
    }
    arena_free(&arena);
    return 0;
}
