/* The filter of response bodies; see filter.h. The bytes of what is not decided yet are held, with
   the comma and the blanks before them, so that they pass or are left out together. */
#include "filter.h"

#include <stdlib.h>

enum {
    AT_START,
    AT_OPEN,    /* behind '[': an element or the end */
    AT_ELEMENT, /* behind a comma: an element */
    IN_ELEMENT,
    AT_NEXT,        /* behind an element: a comma or the end */
    AT_NAME_OR_END, /* behind '{' */
    AT_NAME,        /* behind a comma */
    IN_NAME,
    AT_COLON,
    AT_VALUE,
    IN_VALUE,
    AT_MEMBER_NEXT, /* behind a member: a comma or the end */
    AT_END,         /* blanks only */
    AT_OBJECT,      /* FILTER_LINES: between objects */
    IN_OBJECT,
};

enum { RECORD_SEPARATOR = 0x1E, FIRST_ROOM = 1024, OUT_HIGH = 64 << 10 };

static bool fail(struct filter *filter)
{
    filter->failed = true;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* ---- bytes --------------------------------------------------------------------------------- */

static void bytes_free(struct filter_bytes *bytes)
{
    free(bytes->p);
    *bytes = (struct filter_bytes){NULL, 0, 0};
}

static bool bytes_add(struct filter_bytes *bytes, struct str more)
{
    size_t want;
    if (more.n == 0)
        return true;
    if (__builtin_add_overflow(bytes->n, more.n, &want) || want > SIZE_MAX / 4)
        return false;
    if (want > bytes->cap) {
        size_t cap = bytes->cap ? bytes->cap : FIRST_ROOM;
        while (cap < want)
            cap *= 2;
        char *p = realloc(bytes->p, cap);
        if (!p)
            return false;
        bytes->p = p;
        bytes->cap = cap;
    }
    memcpy(bytes->p + bytes->n, more.p, more.n);
    bytes->n = want;
    return true;
}

static bool hold(struct filter *filter, struct str bytes)
{
    size_t limit = filter->limit ? filter->limit : FILTER_HELD_MAX;
    if (bytes.n > limit - filter->held.n || !bytes_add(&filter->held, bytes))
        return fail(filter);
    return true;
}

static bool flush(struct filter *filter)
{
    struct str bytes = {filter->out.p, filter->out.n};
    filter->out.n = 0;
    return bytes.n == 0 || filter->sink(filter->sink_arg, bytes) || fail(filter);
}

static bool pass(struct filter *filter, struct str bytes)
{
    if (!bytes_add(&filter->out, bytes))
        return fail(filter);
    return filter->out.n < OUT_HIGH || flush(filter);
}

static struct str held(const struct filter *filter, size_t from, size_t end)
{
    return (struct str){filter->held.n ? filter->held.p + from : "", end - from};
}

static void drop_held(struct filter *filter)
{
    filter->held.n = filter->start = filter->comma = 0;
}

static bool pass_held(struct filter *filter)
{
    bool passed = pass(filter, held(filter, 0, filter->held.n));
    drop_held(filter);
    return passed;
}

/* ---- what is whole ------------------------------------------------------------------------- */

/* The value that is held, strictly read. */
static bool scan_held(struct filter *filter, struct json *doc)
{
    arena_reset(&filter->arena);
    struct str value = held(filter, filter->start, filter->held.n);
    return json_scan(value, &filter->arena, doc, NULL);
}

/* Passes the object that is held with what stands before it, changed, or leaves both out. What our
   reader refuses (a NUL in a label that an image brought, say) is left out: nobody can tell whose
   it is, and it must not take the whole list from everybody. Want of memory says nothing of it. */
static bool decide(struct filter *filter, size_t from, bool *kept)
{
    struct json doc;
    struct str changed = {NULL, 0};
    *kept = false;
    if (!scan_held(filter, &doc))
        return !filter->arena.full || fail(filter);
    switch (filter->judge(filter->arg, &doc, &filter->arena, &changed)) {
    case FILTER_KEEP:
        *kept = true;
        return pass(filter, held(filter, from, filter->held.n));
    case FILTER_CHANGE:
        *kept = true;
        return pass(filter, held(filter, from, filter->start)) && pass(filter, changed);
    case FILTER_HIDE:
        return true;
    case FILTER_FAIL:
        break;
    }
    return fail(filter);
}

static bool end_element(struct filter *filter)
{
    bool kept;
    /* All before it were left out: without the comma. */
    if (!decide(filter, filter->any ? 0 : filter->comma, &kept))
        return false;
    filter->any = filter->any || kept;
    filter->state = AT_NEXT;
    drop_held(filter);
    return true;
}

static bool end_object(struct filter *filter)
{
    bool kept;
    if (!decide(filter, 0, &kept))
        return false;
    filter->silent = !kept;
    filter->state = AT_OBJECT;
    drop_held(filter);
    return true;
}

static bool end_name(struct filter *filter)
{
    struct json doc;
    if (!scan_held(filter, &doc))
        return fail(filter);
    filter->here = json_fold_eq(doc.nodes[0].text, filter->member);
    filter->state = AT_COLON;
    return pass_held(filter);
}

static bool end_value(struct filter *filter)
{
    struct json doc;
    if (!scan_held(filter, &doc))
        return fail(filter);
    /* What should be the array is null, or cannot be judged. */
    if ((filter->here || !filter->nested) && doc.nodes[0].kind != JSON_NULL)
        return fail(filter);
    filter->state = filter->nested ? AT_MEMBER_NEXT : AT_END;
    return pass_held(filter);
}

static bool end_span(struct filter *filter)
{
    switch (filter->state) {
    case IN_ELEMENT:
        return end_element(filter);
    case IN_OBJECT:
        return end_object(filter);
    case IN_NAME:
        return end_name(filter);
    default:
        return end_value(filter);
    }
}

/* ---- byte by byte -------------------------------------------------------------------------- */

/* A value begins with the next byte, which is not taken. */
static bool begin_span(struct filter *filter, unsigned state)
{
    filter->span = (struct json_span){.depth = 0};
    filter->start = filter->held.n;
    filter->state = state;
    return true;
}

static bool open_array(struct filter *filter)
{
    filter->any = false;
    filter->state = AT_OPEN;
    return pass_held(filter) && pass(filter, STR("["));
}

static bool close_array(struct filter *filter)
{
    filter->state = filter->nested ? AT_MEMBER_NEXT : AT_END;
    return pass_held(filter) && pass(filter, STR("]"));
}

static bool close_object(struct filter *filter)
{
    filter->state = AT_END;
    return pass(filter, STR("}"));
}

static bool separate(struct filter *filter, const char *separator, unsigned state)
{
    filter->state = state;
    return pass(filter, (struct str){separator, 1});
}

/* A byte that is no blank, where the array is or should begin. *taken: it was used up. */
static bool step_array(struct filter *filter, char c, bool *taken)
{
    bool first = filter->state == AT_OPEN || filter->state == AT_ELEMENT;
    *taken = true;
    if (c == '[' && (filter->state == AT_START || filter->state == AT_VALUE))
        return open_array(filter);
    if (c == ']' && (filter->state == AT_OPEN || filter->state == AT_NEXT))
        return close_array(filter);
    if (c == ',' && filter->state == AT_NEXT) {
        filter->state = AT_ELEMENT;
        if (!hold(filter, STR(",")))
            return false;
        filter->comma = filter->held.n;
        return true;
    }
    *taken = false;
    if (c == '{' && first)
        return begin_span(filter, IN_ELEMENT);
    bool value = filter->state == AT_VALUE || filter->state == AT_START;
    return value && c == 'n' ? begin_span(filter, IN_VALUE) : fail(filter);
}

/* The same in the object that holds it. */
static bool step_object(struct filter *filter, char c, bool *taken)
{
    *taken = true;
    if (c == '{' && filter->state == AT_START) {
        filter->nested = true;
        return separate(filter, "{", AT_NAME_OR_END);
    }
    if (c == '}' && (filter->state == AT_NAME_OR_END || filter->state == AT_MEMBER_NEXT))
        return close_object(filter);
    if (c == ',' && filter->state == AT_MEMBER_NEXT)
        return separate(filter, ",", AT_NAME);
    if (c == ':' && filter->state == AT_COLON)
        return separate(filter, ":", AT_VALUE);
    *taken = false;
    if (c == '"' && (filter->state == AT_NAME_OR_END || filter->state == AT_NAME))
        return begin_span(filter, IN_NAME);
    return filter->state == AT_VALUE ? begin_span(filter, IN_VALUE) : fail(filter);
}

static bool step_byte(struct filter *filter, char c, bool *taken)
{
    switch (filter->state) {
    case AT_START:
        if (filter->member.p)
            return c == 'n' ? step_array(filter, c, taken) : step_object(filter, c, taken);
        return step_array(filter, c, taken);
    case AT_VALUE:
        return filter->here ? step_array(filter, c, taken) : step_object(filter, c, taken);
    case AT_OPEN:
    case AT_ELEMENT:
    case AT_NEXT:
        return step_array(filter, c, taken);
    case AT_OBJECT:
        *taken = c == RECORD_SEPARATOR && filter->records;
        if (*taken)
            return hold(filter, (struct str){&c, 1});
        return c == '{' ? begin_span(filter, IN_OBJECT) : fail(filter);
    case AT_END:
        return fail(filter);
    default:
        return step_object(filter, c, taken);
    }
}

/* Blanks stay with what is held, or pass, or go with what was left out before them. */
static bool step_blank(struct filter *filter, char c)
{
    struct str blank = {&c, 1};
    bool holds = filter->state == AT_ELEMENT || filter->state == AT_NEXT ||
                 filter->state == AT_OPEN || (filter->state == AT_OBJECT && filter->held.n > 0);
    if (holds)
        return hold(filter, blank);
    return filter->state == AT_OBJECT && filter->silent ? true : pass(filter, blank);
}

static bool in_span(const struct filter *filter)
{
    return filter->state == IN_ELEMENT || filter->state == IN_OBJECT || filter->state == IN_NAME ||
           filter->state == IN_VALUE;
}

/* One step: a run of bytes of a value, or one byte between values. */
static bool step(struct filter *filter, struct str *in)
{
    if (in_span(filter)) {
        size_t n = json_span_take(&filter->span, *in);
        if (!hold(filter, str_head(*in, n)))
            return false;
        *in = str_skip(*in, n);
        return !filter->span.done || end_span(filter);
    }
    bool taken = true;
    char c = in->p[0];
    if (!(is_blank(c) ? step_blank(filter, c) : step_byte(filter, c, &taken)))
        return false;
    if (taken)
        *in = str_skip(*in, 1);
    return true;
}

/* ---- outside ------------------------------------------------------------------------------- */

/* Hands out what is decided, and gives back what memory it can. */
static bool settle(struct filter *filter)
{
    bool sent = !filter->failed && flush(filter);
    bytes_free(&filter->out);
    arena_free(&filter->arena);
    if (filter->failed || filter->held.n == 0)
        bytes_free(&filter->held);
    return sent;
}

bool filter_feed(struct filter *filter, struct str bytes)
{
    if (filter->failed)
        return false;
    if (filter->shape == FILTER_WHOLE)
        return hold(filter, bytes);
    if (filter->shape == FILTER_LINES && filter->state == AT_START)
        filter->state = AT_OBJECT;
    while (bytes.n > 0 && step(filter, &bytes))
        continue;
    return settle(filter);
}

static bool end_whole(struct filter *filter)
{
    struct str out = {NULL, 0};
    struct str body = held(filter, 0, filter->held.n);
    if (!filter->rewrite(filter->arg, body, &filter->arena, &out))
        return fail(filter);
    return pass(filter, out);
}

bool filter_end(struct filter *filter)
{
    if (filter->failed)
        return false;
    if (filter->shape == FILTER_WHOLE)
        end_whole(filter);
    else if (filter->state == IN_VALUE && filter->span.plain && !filter->nested)
        end_value(filter); /* "null" ends with the body */
    bool ended = filter->shape == FILTER_WHOLE || filter->state == AT_END ||
                 (filter->shape == FILTER_LINES &&
                  (filter->state == AT_OBJECT || filter->state == AT_START));
    if (!ended)
        filter->failed = true;
    drop_held(filter);
    bool sent = settle(filter);
    filter->failed = true; /* nothing may follow */
    return sent;
}

void filter_free(struct filter *filter)
{
    bytes_free(&filter->held);
    bytes_free(&filter->out);
    arena_free(&filter->arena);
    filter->failed = true;
}
