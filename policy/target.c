/* The request target: version prefix, route, names, query; and the target that is sent on, rebuilt
   from what was understood. What dockerd could read in another way is refused, never repaired
   (dockerd decodes before it routes, cleans paths by redirect, and takes the first of repeated
   parameters). No decision on operations or values is taken here. */
#include "schema.h"
#include "utf8.h"

static bool unreserved(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

static bool refuse_target(struct decision *decision, struct str target, const char *why)
{
    return refuse_malformed(decision, "request target", target, "%s", why);
}

static bool check_bytes(struct str target, struct decision *decision)
{
    if (target.n == 0 || target.p[0] != '/')
        return refuse_target(decision, target,
                             "the request target must begin with / (a path, not a whole address)");
    if (target.n > TARGET_MAX)
        return refuse_target(decision, target, "the request target is too long");
    for (size_t i = 0; i < target.n; i++) {
        unsigned char c = (unsigned char)target.p[i];
        if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\')
            return refuse_target(decision, target,
                                 "the request target holds a byte that must be percent-encoded");
    }
    return true;
}

/* What dockerd would answer with a redirect to the cleaned path is refused. */
static bool check_segments(struct str path, struct decision *decision)
{
    for (size_t i = 1; i < path.n;) {
        struct str rest = str_skip(path, i);
        struct str segment = str_head(rest, str_find(rest, '/'));
        if (segment.n == 0 || str_is(segment, ".") || str_is(segment, ".."))
            return refuse_target(decision, path,
                                 "the path is not in its normal form (//, /./ or /../)");
        i += segment.n + 1;
    }
    return true;
}

/* "/v1.41/containers/json" -> 1, 41 and "/containers/json". Forms that dockerd takes as well, such
   as /v01.41 or /v1.41.0, are refused, and the version that is sent on is written anew. */
static bool take_version(struct str *path, struct request *out, struct decision *decision)
{
    if (path->n < 3 || path->p[1] != 'v' || !(ascii_digit(path->p[2]) || path->p[2] == '.'))
        return true;
    struct str rest = str_skip(*path, 2);
    struct str version = str_head(rest, str_find(rest, '/'));
    size_t dot = str_find(version, '.');
    struct str major = str_head(version, dot);
    struct str minor = str_skip(version, dot + 1);
    int64_t major_value, minor_value;
    if (major.n != 1 || major.p[0] == '0' || minor.n < 1 || minor.n > 3 ||
        !str_to_int(major, &major_value) || !ascii_digit(minor.p[0]) ||
        !str_to_int(minor, &minor_value) || version.n == rest.n)
        return refuse_target(decision, *path, "the API version must be written like /v1.41/");
    out->versioned = true;
    out->api_major = (int)major_value;
    out->api_minor = (int)minor_value;
    *path = str_skip(*path, 2 + version.n);
    return true;
}

/* Splits path by pattern. Names are the raw bytes between the fixed parts. The last fixed part is
   looked for from the end, as dockerd's greedy {name:.*} does. */
static bool match_pattern(const struct route *route, struct str path, struct str names[2])
{
    struct str pattern = str_of(route->path);
    size_t brace = str_find(pattern, '{');
    if (brace == pattern.n)
        return str_eq(path, pattern);
    struct str prefix = str_head(pattern, brace);
    struct str rest = str_skip(pattern, brace);
    struct str tail = str_skip(rest, str_find(rest, '}') + 1);
    if (!str_starts(path, prefix))
        return false;
    path = str_skip(path, prefix.n);
    brace = str_find(tail, '{');
    if (brace != tail.n) { /* "/checkpoints/{checkpoint}": the second name is the last segment */
        size_t slash = str_rfind(path, '/');
        if (slash == path.n)
            return false;
        names[1] = str_skip(path, slash + 1);
        path = str_head(path, slash + 1);
        tail = str_head(tail, brace);
        if (names[1].n == 0)
            return false;
    }
    if (path.n <= tail.n || !str_ends(path, tail))
        return false;
    names[0] = str_head(path, path.n - tail.n);
    return route->name_slash || str_find(names[0], '/') == names[0].n;
}

static const struct route *find_route(struct str method, struct str path, struct str names[2])
{
    if (method.n == 0 || path.n < 2)
        return NULL; /* every row has more */
    for (size_t i = 0; i < routes_count; i++)
        if (routes[i].path[1] == path.p[1] && routes[i].method[0] == method.p[0] &&
            str_is(method, routes[i].method) && match_pattern(&routes[i], path, names))
            return &routes[i];
    return NULL;
}

/* Percent-decoding; plus_is_space for queries. False: a bad escape. */
static bool percent_decode(struct str in, bool plus_is_space, struct arena *arena, struct str *out)
{
    if (str_find(in, '%') == in.n && (!plus_is_space || str_find(in, '+') == in.n)) {
        *out = in;
        return true;
    }
    char *p = arena_alloc(arena, in.n + 1, 1);
    if (!p)
        return false;
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '%') {
            if (in.n - i < 3 || !ascii_hex(in.p[i + 1]) || !ascii_hex(in.p[i + 2]))
                return false;
            c = (char)(ascii_hex_value(in.p[i + 1]) * 16 + ascii_hex_value(in.p[i + 2]));
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        p[n++] = c;
    }
    *out = (struct str){p, n};
    return true;
}

static bool decode_name(struct str raw, bool slash, struct arena *arena, struct str *out,
                        struct decision *decision)
{
    struct str name;
    if (!percent_decode(raw, false, arena, &name))
        return refuse_target(decision, raw, "a name in the path has a broken percent escape");
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c < 0x20 || c == 0x7f || c == '%' || (c == '/' && !slash))
            return refuse_target(decision, raw,
                                 "a name in the path holds a byte that no name may hold");
    }
    /* An encoded dot or slash could make a segment that dockerd cleans away. */
    for (size_t i = 0; i + 2 < raw.n; i++)
        if (raw.p[i] == '%' && raw.p[i + 1] == '2' && ascii_lower(raw.p[i + 2]) == 'e')
            return refuse_target(decision, raw, "a name in the path holds an encoded dot");
    for (size_t i = 0; i <= name.n;) {
        struct str rest = str_skip(name, i);
        struct str segment = str_head(rest, str_find(rest, '/'));
        if (segment.n == 0 || str_is(segment, ".") || str_is(segment, ".."))
            return refuse_target(decision, raw, "a name in the path is not in its normal form");
        i += segment.n + 1;
    }
    if (!utf8_valid(name))
        return refuse_target(decision, raw, "a name in the path is not UTF-8");
    *out = name;
    return true;
}

static bool add_param(struct str key, struct str value, struct request *out,
                      struct decision *decision)
{
    const struct param_row *row = param_find(out->route->op, key);
    if (!row) {
        /* The daemon ignores what it does not know, and it is not sent on; but a filter that gets
           lost would delete more than was meant. */
        if (operation_class(out->route->op) != CLASS_DELETE)
            return true;
        struct check check = {.request = out, .decision = decision};
        char name[VALUE_MAX];
        refuse_plain(&check, value, NULL, NULL, "the query parameter \"%s\" is not known to %s",
                     text_shorten(name, sizeof(name), key), operation_name(out->route->op));
        return false;
    }
    for (size_t i = 0; i < out->param_count; i++)
        if (out->params[i].row == row && row->type != PARAM_LIST)
            return refuse_malformed(decision, row->name, value,
                                    "the query parameter \"%s\" is given twice", row->name);
    if (out->param_count == PARAMS_MAX)
        return refuse_malformed(decision, row->name, value, "too many query parameters");
    out->params[out->param_count++] = (struct param){.row = row, .value = value};
    return true;
}

static bool parse_query(struct str query, struct arena *arena, struct request *out,
                        struct decision *decision)
{
    if (str_find(query, ';') != query.n)
        return refuse_target(decision, query,
                             "a ; in the query could separate parameters; write it as %3B");
    while (query.n) {
        struct str pair = str_head(query, str_find(query, '&'));
        query = str_skip(query, pair.n + 1);
        if (pair.n == 0)
            continue;
        size_t equals = str_find(pair, '=');
        struct str key, value;
        if (!percent_decode(str_head(pair, equals), true, arena, &key) ||
            !percent_decode(str_skip(pair, equals + 1), true, arena, &value))
            return refuse_target(decision, pair, "the query has a broken percent escape");
        if (!utf8_valid(key) || !utf8_valid(value) || str_find(key, '\0') != key.n ||
            str_find(value, '\0') != value.n)
            return refuse_target(decision, pair, "the query is not UTF-8 text");
        if (!add_param(key, value, out, decision))
            return false;
    }
    return true;
}

/* Does the path ask for an object by a name with slashes, as "docker inspect user/image" does for
   each kind until one is found? Only images have such names, so the answer is the daemon's: 404. */
static bool asks_for_slashes(struct str method, struct str path)
{
    static const char *const kinds[] = {"/containers/", "/networks/", "/volumes/", "/services/",
                                        "/tasks/",      "/nodes/",    "/secrets/", "/configs/"};
    if (!str_is(method, "GET"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct str rest = str_skip(path, strlen(kinds[i]));
        bool inspect = i > 0 || str_ends(path, STR("/json"));
        if (str_starts(path, str_of(kinds[i])))
            return inspect && str_find(rest, '/') < rest.n;
    }
    return false;
}

static void refuse_route(struct str method, struct str path, const struct request *request,
                         struct decision *decision)
{
    char what[VALUE_MAX], verb[32];
    struct check check = {.request = request, .decision = decision};
    refuse_plain(&check, path, NULL, NULL,
                 "%s %s is no operation of the Docker Engine API that sockwarden knows",
                 text_shorten(verb, sizeof(verb), method), text_shorten(what, sizeof(what), path));
    if (asks_for_slashes(method, path))
        decision->status = 404;
}

bool request_parse(struct str method, struct str target, struct arena *arena, struct request *out,
                   struct decision *decision)
{
    decision_clear(decision);
    out->route = NULL;
    out->versioned = false;
    out->api_major = out->api_minor = 0;
    out->param_count = 0;
    out->name = out->name2 = out->body = (struct str){NULL, 0};
    if (!check_bytes(target, decision))
        return false;
    struct str path = str_head(target, str_find(target, '?'));
    struct str query = str_skip(target, path.n + 1);
    if (!check_segments(path, decision) || !take_version(&path, out, decision))
        return false;
    struct str raw[2] = {{NULL, 0}, {NULL, 0}};
    const struct route *route = find_route(method, path, raw);
    if (!route) {
        refuse_route(method, path, out, decision);
        return false;
    }
    out->route = route;
    if ((raw[0].n && !decode_name(raw[0], route->name_slash, arena, &out->name, decision)) ||
        (raw[1].n && !decode_name(raw[1], false, arena, &out->name2, decision)))
        return false;
    return parse_query(query, arena, out, decision);
}

enum body_kind request_body_kind(const struct request *request)
{
    if (request->route->op == OP_ImageCreate && !request_param(request, "fromSrc").n)
        return BODY_NONE;
    return request->route->body;
}

/* ---- Content-Type -------------------------------------------------------------------------- */

bool request_check_content(const struct request *request, struct str content_type, bool has_body,
                           struct decision *decision)
{
    if (!has_body)
        return true; /* the header is not sent on */
    struct str type = str_trim(str_head(content_type, str_find(content_type, ';')));
    if (str_ieq(type, STR("application/x-www-form-urlencoded")) ||
        str_ieq(str_head(type, 10), STR("multipart/")))
        return refuse_malformed(decision, "Content-Type", content_type,
                                "form bodies are refused, since the daemon would read parameters "
                                "from them that override the query");
    bool json = str_ieq(type, STR("application/json"));
    switch (request_body_kind(request)) {
    case BODY_OPAQUE:
        return true;
    case BODY_JSON:
        return json || refuse_malformed(decision, "Content-Type", content_type,
                                        "%s takes a body of Content-Type application/json",
                                        operation_name(request->route->op));
    case BODY_NONE:
        return json || type.n == 0 || str_ieq(type, STR("text/plain")) ||
               refuse_malformed(decision, "Content-Type", content_type, "%s takes no body",
                                operation_name(request->route->op));
    }
    return false;
}

/* ---- the target that is sent on ------------------------------------------------------------ */

struct target_out {
    char *p;
    size_t cap, n;
};

static void put(struct target_out *out, struct str s)
{
    size_t room = out->n < out->cap ? out->cap - out->n : 0;
    if (s.n && room)
        memcpy(out->p + out->n, s.p, s.n < room ? s.n : room);
    out->n += s.n; /* beyond cap: noticed at the end */
}

static void put_encoded(struct target_out *out, struct str s, const char *also)
{
    static const char hex[] = "0123456789ABCDEF";
    while (s.n > 0) {
        size_t run = 0;
        while (run < s.n && (unreserved(s.p[run]) || (s.p[run] && strchr(also, s.p[run]))))
            run++;
        put(out, str_head(s, run));
        if (run == s.n)
            break;
        unsigned char c = (unsigned char)s.p[run];
        char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
        put(out, (struct str){escape, 3});
        s = str_skip(s, run + 1);
    }
}

static void put_decimal(struct target_out *out, int value)
{
    char digits[DECIMAL_MAX];
    put(out, decimal_text(digits, (uint64_t)value));
}

static void put_path(struct target_out *out, const struct request *request)
{
    if (request->versioned) {
        put(out, STR("/v"));
        put_decimal(out, request->api_major);
        put(out, STR("."));
        put_decimal(out, request->api_minor);
    }
    struct str pattern = str_of(request->route->path);
    for (int which = 0; pattern.n; which++) {
        size_t brace = str_find(pattern, '{');
        put(out, str_head(pattern, brace));
        pattern = str_skip(pattern, brace);
        if (pattern.n == 0)
            break;
        put_encoded(out, which ? request->name2 : request->name,
                    request->route->name_slash ? "/:@" : ":@");
        pattern = str_skip(pattern, str_find(pattern, '}') + 1);
    }
}

static bool write_target(const struct request *request, bool for_log, char *dst, size_t cap,
                         size_t *len)
{
    struct target_out out = {.p = dst, .cap = cap, .n = 0};
    put_path(&out, request);
    char separator = '?';
    for (size_t i = 0; i < request->param_count; i++) {
        const struct param *param = &request->params[i];
        if (for_log && param->row->secret)
            continue;
        put(&out, (struct str){&separator, 1});
        separator = '&';
        put(&out, str_of(param->row->name));
        put(&out, STR("="));
        put_encoded(&out, param->value, "/:,@");
    }
    *len = out.n;
    return out.n <= cap;
}

bool request_target(const struct request *request, char *dst, size_t cap, size_t *len)
{
    return request->route && write_target(request, false, dst, cap, len);
}

bool request_log_path(const struct request *request, char *dst, size_t cap, size_t *len)
{
    return request->route && write_target(request, true, dst, cap, len);
}

/* ---- what is asked of the daemon ----------------------------------------------------------- */

/* A segment that a server would clean away names nothing. */
static bool name_is_plain(struct str name, bool slash)
{
    if (name.n == 0 || name.n > FACT_NAME_MAX)
        return false;
    while (name.n > 0) {
        struct str part = slash ? str_head(name, str_find(name, '/')) : name;
        if (part.n == 0 || str_is(part, ".") || str_is(part, "..") || str_find(part, '/') < part.n)
            return false;
        bool ends_in_slash = part.n + 1 == name.n;
        name = str_skip(name, part.n + 1);
        if (ends_in_slash)
            return false;
    }
    return true;
}

bool fact_target(const struct fact *fact, char *dst, size_t cap, size_t *len)
{
    static const struct {
        const char *before, *behind;
        bool slash;
    } paths[FACT_KIND_COUNT] = {
        [FACT_CONTAINER] = {"/containers/", "/json", false},
        [FACT_EXEC] = {"/exec/", "/json", false},
        [FACT_VOLUME] = {"/volumes/", "", false},
        [FACT_VOLUME_MADE] = {"/volumes/create", NULL, false},
        [FACT_NETWORK] = {"/networks/", "", false},
        [FACT_IMAGE] = {"/images/", "/json", true},
        [FACT_SERVICE] = {"/services/", "", false},
        [FACT_TASK] = {"/tasks/", "", false},
        [FACT_SECRET] = {"/secrets/", "", false},
        [FACT_CONFIG] = {"/configs/", "", false},
        [FACT_INFO] = {"/info", NULL, false},
        [FACT_VERSION] = {"/version", NULL, false},
    };
    struct target_out out = {.p = dst, .cap = cap, .n = 0};
    if (!paths[fact->kind].before)
        return false;
    bool named = paths[fact->kind].behind != NULL;
    if (named && !name_is_plain(fact->name, paths[fact->kind].slash))
        return false;
    put(&out, str_of(paths[fact->kind].before));
    if (named) {
        put_encoded(&out, fact->name, paths[fact->kind].slash ? "/:@" : ":@");
        put(&out, str_of(paths[fact->kind].behind));
    }
    *len = out.n;
    return out.n <= cap;
}
