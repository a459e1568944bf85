/* Heads of HTTP/1 messages; see http_head.h. What the fields mean is not decided here. */
#include "http_head.h"

#include <llhttp.h>

/* ---- the scan ------------------------------------------------------------------------------ */

/* c: a control character, which stands nowhere in a head (a tab is none); t: may stand in a
   header's name (RFC 9110, 5.6.2); -: neither, as all bytes above these. */
static const char kinds[256] = "ccccccccc-cccccccccccccccccccccc"  /* 0x00 */
                               "-t-ttttt--tt-tt-tttttttttt------"  /* 0x20, from the blank on */
                               "-tttttttttttttttttttttttttt---tt"  /* 0x40, from @ on */
                               "ttttttttttttttttttttttttttt-t-tc"; /* 0x60, from ` on */

static bool is_kind(char c, char kind)
{
    return kinds[(unsigned char)c] == kind;
}

static bool check_text(struct str line, struct http_refusal *refusal)
{
    size_t plain = 0;
    while (line.n - plain >= 8) {
        uint64_t word = word_at(line.p + plain);
        if (word_has_below(word, 0x20) || word_has(word, 0x7f))
            break;
        plain += 8;
    }
    for (size_t i = plain; i < line.n; i++)
        if (is_kind(line.p[i], 'c'))
            return http_refuse(refusal, 400,
                               line.p[i] == '\r' ? "a line of the head holds a bare CR"
                                                 : "the head holds a control character");
    return true;
}

/* METHOD SP target SP HTTP/1.[01] with single spaces. */
static bool check_request_line(struct str line, struct http_refusal *refusal)
{
    size_t first = str_find(line, ' ');
    struct str rest = str_skip(line, first + 1);
    size_t second = str_find(rest, ' ');
    struct str version = str_skip(rest, second + 1);
    if (first == 0 || first == line.n || second == 0 || second == rest.n ||
        str_find(version, ' ') != version.n || str_find(line, '\t') != line.n)
        return http_refuse(
            refusal, 400,
            "the request line must be METHOD, target and HTTP/1.1 with one space between");
    for (size_t i = 0; i < first; i++)
        if (line.p[i] < 'A' || line.p[i] > 'Z')
            return http_refuse(refusal, 400, "the method must be written in capital letters");
    if (!str_is(version, "HTTP/1.1") && !str_is(version, "HTTP/1.0"))
        return http_refuse(refusal, 400, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    return true;
}

static bool check_field_line(struct str line, struct http_refusal *refusal)
{
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return http_refuse(refusal, 400, "folded header lines are refused");
    size_t name = 0;
    while (name < line.n && is_kind(line.p[name], 't'))
        name++;
    if (name > 0 && name < line.n && line.p[name] == ':')
        return true;
    if (str_find(line, ':') == line.n)
        return http_refuse(refusal, 400, "a header line has no colon");
    return http_refuse(refusal, 400,
                       line.p[0] == ':' ? "a header has an empty name"
                                        : "a header name holds a byte that it may not hold");
}

static bool check_line(const struct head_scan *scan, struct str line, bool request,
                       struct http_refusal *refusal)
{
    if (!check_text(line, refusal))
        return false;
    if (scan->lines > 0)
        return scan->lines <= HEADERS_MAX
                   ? check_field_line(line, refusal)
                   : http_refuse(refusal, 431, "the head has too many header lines");
    if (request)
        return check_request_line(line, refusal);
    return str_starts(line, STR("HTTP/1.")) ||
           http_refuse(refusal, 400, "not an HTTP/1 status line");
}

/* What begins like this will never become a request; said before more is waited for. */
static bool check_first_byte(struct str bytes, struct http_refusal *refusal)
{
    unsigned char c = (unsigned char)bytes.p[0];
    if (c == 0x16)
        return http_refuse(refusal, 400, "this listener speaks plain HTTP, and TLS was begun");
    if (c < 'A' || c > 'Z')
        return http_refuse(refusal, 400, "a request must begin with a method in capital letters");
    return true;
}

enum head_status head_scan(struct head_scan *scan, struct str bytes, bool request, size_t max,
                           size_t *length, struct http_refusal *refusal)
{
    struct str seen = str_head(bytes, max);
    if (seen.n > 0 && request && scan->pos == 0 && !check_first_byte(seen, refusal))
        return HEAD_BAD;
    for (;;) {
        struct str fresh = str_skip(seen, scan->pos);
        size_t at = str_find(fresh, '\n');
        if (at == fresh.n) {
            scan->pos = (uint32_t)seen.n;
            if (bytes.n < max)
                return HEAD_MORE;
            http_refuse(refusal, 431, "the head is larger than this proxy takes (--max-head)");
            return HEAD_BAD;
        }
        size_t end = scan->pos + at;
        if (end == scan->line || seen.p[end - 1] != '\r') {
            http_refuse(refusal, 400, "a line of the head ends in a bare LF; HTTP wants CR LF");
            return HEAD_BAD;
        }
        struct str line = {seen.p + scan->line, end - 1 - scan->line};
        scan->pos = scan->line = (uint32_t)(end + 1);
        if (line.n == 0 && scan->lines > 0) {
            *length = scan->pos;
            return HEAD_DONE;
        }
        if (!check_line(scan, line, request, refusal))
            return HEAD_BAD;
        scan->lines++;
    }
}

/* ---- the reading of a response --------------------------------------------------------------- */

static struct str take_line(struct str *bytes)
{
    struct str line = str_head(*bytes, str_find(*bytes, '\n'));
    *bytes = str_skip(*bytes, line.n + 1);
    return str_head(line, line.n ? line.n - 1 : 0);
}

/* HTTP/1.[01] SP 3DIGIT [SP phrase] */
static bool read_status_line(struct str line, struct http_head *out)
{
    const char *p = line.p;
    if (line.n < 12 || memcmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') ||
        p[8] != ' ' || !ascii_digit(p[9]) || !ascii_digit(p[10]) || !ascii_digit(p[11]) ||
        (line.n > 12 && p[12] != ' '))
        return false;
    out->minor = p[7] - '0';
    out->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    out->phrase = str_skip(line, 13);
    return true;
}

/* What the scan has passed can be read in one way only, and the daemon has no reason to try
   another: no second reader as for a request. */
static bool read_response(struct str bytes, struct http_head *out, struct http_refusal *refusal)
{
    if (!read_status_line(take_line(&bytes), out))
        return http_refuse(refusal, 400, "its status line is not that of HTTP/1");
    for (struct str line; (line = take_line(&bytes)).n > 0;) {
        size_t colon = str_find(line, ':');
        if (colon == line.n || out->field_count == HEADERS_MAX)
            return http_refuse(refusal, 400, "the head is not valid HTTP/1");
        out->fields[out->field_count++] =
            (struct http_field){str_head(line, colon), str_trim(str_skip(line, colon + 1))};
    }
    return bytes.n == 0 || http_refuse(refusal, 400, "the head is not valid HTTP/1");
}

/* ---- the reading of a request ---------------------------------------------------------------- */

struct reader {
    llhttp_t parser; /* first: callbacks get its address */
    struct http_head *head;
    bool too_many;
};

static int on_target(llhttp_t *parser, const char *at, size_t n)
{
    struct reader *reader = (struct reader *)(void *)parser;
    reader->head->target = (struct str){at, n};
    return 0;
}

static int on_name(llhttp_t *parser, const char *at, size_t n)
{
    struct reader *reader = (struct reader *)(void *)parser;
    struct http_head *head = reader->head;
    if (head->field_count == HEADERS_MAX) {
        reader->too_many = true;
        return -1;
    }
    head->fields[head->field_count++] = (struct http_field){{at, n}, {at + n, 0}};
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t n)
{
    struct reader *reader = (struct reader *)(void *)parser;
    struct http_head *head = reader->head;
    if (head->field_count == 0)
        return -1;
    head->fields[head->field_count - 1].value = str_trim((struct str){at, n});
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED; /* bodies and tunnels are ours */
}

/* The scan has counted the lines; llhttp must have found a field in each. */
static size_t count_fields(struct str bytes)
{
    size_t lines = 0;
    for (size_t at; (at = str_find(bytes, '\n')) < bytes.n; lines++)
        bytes = str_skip(bytes, at + 1);
    return lines - 2; /* the first line and the empty one */
}

static bool read_request(struct str bytes, struct http_head *out, struct http_refusal *refusal)
{
    static const llhttp_settings_t settings = {
        .on_url = on_target,
        .on_header_field = on_name,
        .on_header_value = on_value,
        .on_headers_complete = on_complete,
    };
    struct reader reader = {.head = out};
    llhttp_init(&reader.parser, HTTP_REQUEST, &settings);
    llhttp_errno_t result = llhttp_execute(&reader.parser, bytes.p, bytes.n);
    if (result != HPE_PAUSED || llhttp_get_error_pos(&reader.parser) != bytes.p + bytes.n ||
        reader.parser.http_major != 1 || reader.parser.http_minor > 1) {
        const char *reason = llhttp_get_error_reason(&reader.parser);
        return http_refuse(refusal, 400,
                           reason && *reason ? reason : "the head is not valid HTTP/1");
    }
    if (count_fields(bytes) != out->field_count)
        return http_refuse(refusal, 400, "the head could be read in two ways");
    out->minor = reader.parser.http_minor;
    out->method = str_head(bytes, str_find(bytes, ' '));
    struct str rest = str_skip(bytes, out->method.n + 1);
    return str_eq(out->target, str_head(rest, str_find(rest, ' '))) ||
           http_refuse(refusal, 400, "the request target could be read in two ways");
}

bool head_read(struct str bytes, bool request, struct http_head *out, struct http_refusal *refusal)
{
    out->field_count = 0;
    out->status = 0;
    out->minor = 1; /* in which a refusal is answered when nothing was read */
    out->method = out->target = out->phrase = (struct str){NULL, 0};
    return request ? read_request(bytes, out, refusal) : read_response(bytes, out, refusal);
}

/* ---- the writing --------------------------------------------------------------------------- */

void head_put(struct head_out *out, struct str s)
{
    if (out->n <= out->cap && s.n <= out->cap - out->n && s.n)
        memcpy(out->p + out->n, s.p, s.n);
    out->n += s.n;
}

void head_put_field(struct head_out *out, struct str name, struct str value)
{
    size_t n = name.n + value.n + 4;
    if (out->n <= out->cap && n <= out->cap - out->n) {
        char *p = out->p + out->n;
        memcpy(p, name.p, name.n);
        memcpy(p + name.n, ": ", 2);
        if (value.n)
            memcpy(p + name.n + 2, value.p, value.n);
        memcpy(p + n - 2, "\r\n", 2);
    }
    out->n += n;
}

void head_put_length(struct head_out *out, uint64_t length)
{
    char digits[DECIMAL_MAX];
    head_put_field(out, STR("Content-Length"), decimal_text(digits, length));
}

/* ---- lists --------------------------------------------------------------------------------- */

bool list_next(struct str *list, struct str *element)
{
    while (list->n) {
        size_t comma = str_find(*list, ',');
        *element = str_trim(str_head(*list, comma));
        *list = str_skip(*list, comma + 1);
        if (element->n)
            return true;
    }
    return false;
}

bool list_has(struct str list, struct str token)
{
    struct str element;
    while (list_next(&list, &element))
        if (str_ieq(element, token))
            return true;
    return false;
}
