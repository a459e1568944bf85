/* Regular expressions and globs to steps; see regexp.h. An expression is read into a tree, so that
   counted repetition can write its part more than once. */
#include "regexp.h"

#include "json.h"

enum { DEPTH_MAX = 100, COUNT_MAX = 1000, NODES_MAX = 16384, WORK_MAX = 1 << 20 };

enum node_kind {
    NODE_EMPTY,
    NODE_BYTES,
    NODE_BEGIN,
    NODE_END,
    NODE_BOTH,
    NODE_EITHER,
    NODE_REPEAT
};

struct node {
    enum node_kind kind;
    struct node *left, *right;
    int min, max; /* of NODE_REPEAT; max -1: no bound */
    struct regexp_bytes bytes;
};

struct parser {
    struct arena *arena;
    struct str rest;
    struct err *err;
    int depth;
    size_t nodes;
};

/* ---- sets of bytes ------------------------------------------------------------------------- */

static void bytes_add(struct regexp_bytes *bytes, unsigned char first, unsigned char last)
{
    for (unsigned c = first; c <= last; c++)
        bytes->words[c >> 6] |= UINT64_C(1) << (c & 63);
}

static void bytes_join(struct regexp_bytes *bytes, const struct regexp_bytes *other)
{
    for (size_t i = 0; i < ARRAY_LEN(bytes->words); i++)
        bytes->words[i] |= other->words[i];
}

static void bytes_invert(struct regexp_bytes *bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(bytes->words); i++)
        bytes->words[i] = ~bytes->words[i];
}

/* The class of \d, \w, \s and their opposites. */
static bool bytes_of_letter(char letter, struct regexp_bytes *out)
{
    *out = (struct regexp_bytes){{0}};
    switch (ascii_lower(letter)) {
    case 'd':
        bytes_add(out, '0', '9');
        break;
    case 'w':
        bytes_add(out, '0', '9');
        bytes_add(out, 'a', 'z');
        bytes_add(out, 'A', 'Z');
        bytes_add(out, '_', '_');
        break;
    case 's':
        bytes_add(out, '\t', '\n');
        bytes_add(out, '\f', '\r');
        bytes_add(out, ' ', ' ');
        break;
    default:
        return false;
    }
    if (letter < 'a')
        bytes_invert(out);
    return true;
}

static bool bytes_of_name(struct str name, struct regexp_bytes *out)
{
    static const struct {
        const char *name, *ranges; /* pairs of first and last */
    } classes[] = {
        {"alnum", "09AZaz"}, {"alpha", "AZaz"},    {"digit", "09"},      {"lower", "az"},
        {"upper", "AZ"},     {"word", "09AZaz__"}, {"xdigit", "09AFaf"},
    };
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (!str_is(name, classes[i].name))
            continue;
        for (const char *range = classes[i].ranges; *range; range += 2)
            bytes_add(out, (unsigned char)range[0], (unsigned char)range[1]);
        return true;
    }
    return false;
}

/* ---- the tree ------------------------------------------------------------------------------ */

static struct node *fail(struct parser *parser, const char *what, struct str where)
{
    char shown[40];
    err_set(parser->err, 0, 0, "%s at %s", what,
            where.n ? text_shorten(shown, sizeof(shown), where) : "the end");
    return NULL;
}

static struct node *node_new(struct parser *parser, enum node_kind kind, struct node *left,
                             struct node *right)
{
    struct node *node =
        parser->nodes++ < NODES_MAX ? arena_alloc(parser->arena, 1, sizeof(*node)) : NULL;
    if (!node)
        return fail(parser, "the expression is too large", parser->rest);
    node->kind = kind;
    node->left = left;
    node->right = right;
    return node;
}

static struct node *node_bytes(struct parser *parser, const struct regexp_bytes *bytes)
{
    struct node *node = node_new(parser, NODE_BYTES, NULL, NULL);
    if (node)
        node->bytes = *bytes;
    return node;
}

static char peek(const struct parser *parser)
{
    return parser->rest.n ? parser->rest.p[0] : '\0';
}

static void skip(struct parser *parser, size_t n)
{
    parser->rest = str_skip(parser->rest, n);
}

/* A punctuation mark stands for itself behind a backslash; so does none of the letters. */
static bool is_mark(char c)
{
    return c > ' ' && c < 0x7f && !ascii_alpha(c) && !ascii_digit(c);
}

/* Behind '[': [:name:], \d, a byte, or a range. False: err is set. */
static bool read_member(struct parser *parser, struct regexp_bytes *out)
{
    struct regexp_bytes more = {{0}};
    struct str at = parser->rest;
    if (str_starts(at, STR("[:"))) {
        struct str name = str_skip(at, 2);
        name = str_head(name, str_find(name, ':'));
        bool closed = str_starts(str_skip(at, name.n + 2), STR(":]"));
        if (!closed || !bytes_of_name(name, &more))
            return fail(parser, "the class is not understood", at) != NULL;
        skip(parser, name.n + 4);
        bytes_join(out, &more);
        return true;
    }
    if (at.n > 1 && at.p[0] == '\\' && bytes_of_letter(at.p[1], &more)) {
        skip(parser, 2);
        bytes_join(out, &more);
        return true;
    }
    unsigned char ends[2];
    for (int i = 0; i < 2; i++) {
        bool escaped = peek(parser) == '\\';
        skip(parser, escaped ? 1 : 0);
        char c = peek(parser);
        if (c <= ' ' || c == 0x7f || (escaped && !is_mark(c)) || (!escaped && c == '[' && i == 1))
            return fail(parser, "the class is not understood", at) != NULL;
        ends[i] = (unsigned char)c;
        skip(parser, 1);
        if (i == 1 || peek(parser) != '-' || str_starts(parser->rest, STR("-]"))) {
            ends[1] = ends[i];
            break;
        }
        skip(parser, 1);
    }
    if (ends[0] > ends[1])
        return fail(parser, "the range runs backwards", at) != NULL;
    bytes_add(out, ends[0], ends[1]);
    return true;
}

static struct node *read_class(struct parser *parser)
{
    struct regexp_bytes bytes = {{0}};
    struct str at = parser->rest;
    skip(parser, 1);
    bool inverted = peek(parser) == '^';
    skip(parser, inverted ? 1 : 0);
    for (bool first = true; first || peek(parser) != ']'; first = false) {
        if (parser->rest.n == 0)
            return fail(parser, "the class is not closed", at);
        if (!read_member(parser, &bytes))
            return NULL;
    }
    skip(parser, 1);
    if (inverted)
        bytes_invert(&bytes);
    return node_bytes(parser, &bytes);
}

static struct node *read_either(struct parser *parser);

static struct node *read_group(struct parser *parser)
{
    struct str at = parser->rest;
    skip(parser, 1);
    if (str_starts(parser->rest, STR("?:"))) {
        skip(parser, 2);
    } else if (str_starts(parser->rest, STR("?P<")) || str_starts(parser->rest, STR("?<"))) {
        size_t end = str_find(parser->rest, '>');
        if (end == parser->rest.n || end < 3)
            return fail(parser, "the group's name is not understood", at);
        skip(parser, end + 1);
    } else if (peek(parser) == '?') {
        return fail(parser, "flags such as (?i) are not understood", at);
    }
    if (++parser->depth > DEPTH_MAX)
        return fail(parser, "groups are nested too deeply", at);
    struct node *node = read_either(parser);
    parser->depth--;
    if (node && peek(parser) != ')')
        return fail(parser, "the group is not closed", at);
    skip(parser, 1);
    return node;
}

static struct node *read_escape(struct parser *parser)
{
    struct regexp_bytes bytes = {{0}};
    struct str at = parser->rest;
    char c = at.n > 1 ? at.p[1] : '\0';
    skip(parser, 2);
    if (c == 'A' || c == 'z')
        return node_new(parser, c == 'A' ? NODE_BEGIN : NODE_END, NULL, NULL);
    if (bytes_of_letter(c, &bytes))
        return node_bytes(parser, &bytes);
    if (!is_mark(c))
        return fail(parser, "the escape is not understood", str_head(at, 2));
    bytes_add(&bytes, (unsigned char)c, (unsigned char)c);
    return node_bytes(parser, &bytes);
}

static struct node *read_atom(struct parser *parser)
{
    struct regexp_bytes bytes = {{0}};
    char c = peek(parser);
    switch (c) {
    case '(':
        return read_group(parser);
    case '[':
        return read_class(parser);
    case '\\':
        return read_escape(parser);
    case '^':
    case '$':
        skip(parser, 1);
        return node_new(parser, c == '^' ? NODE_BEGIN : NODE_END, NULL, NULL);
    case '*':
    case '+':
    case '?':
    case '{':
        return fail(parser, "there is nothing to repeat", parser->rest);
    case '.':
        bytes_add(&bytes, '\n', '\n');
        bytes_invert(&bytes);
        break;
    default:
        bytes_add(&bytes, (unsigned char)c, (unsigned char)c);
    }
    skip(parser, 1);
    return node_bytes(parser, &bytes);
}

static bool read_number(struct parser *parser, int *out)
{
    size_t n = 0;
    int64_t value = 0;
    while (n < parser->rest.n && ascii_digit(parser->rest.p[n]))
        n++;
    if (!str_to_int(str_head(parser->rest, n), &value) || value > COUNT_MAX)
        return false;
    skip(parser, n);
    *out = (int)value;
    return true;
}

/* {n}, {n,} or {n,m}. */
static bool read_count(struct parser *parser, int *min, int *max)
{
    skip(parser, 1);
    if (!read_number(parser, min))
        return false;
    *max = *min;
    if (peek(parser) == ',') {
        skip(parser, 1);
        *max = -1;
        if (peek(parser) != '}' && !read_number(parser, max))
            return false;
    }
    bool good = peek(parser) == '}' && (*max == -1 || *max >= *min);
    skip(parser, 1);
    return good;
}

static bool repeats(char c)
{
    return c == '*' || c == '+' || c == '?' || c == '{';
}

static struct node *read_repeat(struct parser *parser)
{
    struct node *node = read_atom(parser);
    struct str at = parser->rest;
    char c = peek(parser);
    if (!node || !repeats(c))
        return node;
    if (node->kind == NODE_BEGIN || node->kind == NODE_END)
        return fail(parser, "an anchor is repeated", at);
    int min = c == '+' ? 1 : 0, max = c == '?' ? 1 : -1;
    if (c != '{')
        skip(parser, 1);
    else if (!read_count(parser, &min, &max))
        return fail(parser, "the count is not understood", at);
    if (peek(parser) == '?')
        skip(parser, 1); /* which of the matches is preferred does not matter here */
    if (repeats(peek(parser)))
        return fail(parser, "a repetition is repeated", at);
    struct node *repeat = node_new(parser, NODE_REPEAT, node, NULL);
    if (repeat) {
        repeat->min = min;
        repeat->max = max;
    }
    return repeat;
}

static struct node *read_both(struct parser *parser)
{
    struct node *all = NULL;
    while (parser->rest.n > 0 && peek(parser) != '|' && peek(parser) != ')') {
        struct node *next = read_repeat(parser);
        if (!next)
            return NULL;
        all = all ? node_new(parser, NODE_BOTH, all, next) : next;
        if (!all)
            return NULL;
    }
    return all ? all : node_new(parser, NODE_EMPTY, NULL, NULL);
}

static struct node *read_either(struct parser *parser)
{
    struct node *all = read_both(parser);
    while (all && peek(parser) == '|') {
        skip(parser, 1);
        struct node *next = read_both(parser);
        all = next ? node_new(parser, NODE_EITHER, all, next) : NULL;
    }
    return all;
}

/* ---- steps --------------------------------------------------------------------------------- */

/* A new step in front of next; REGEXP_STEPS_MAX: there is no room. */
static uint32_t add_step(struct regexp_program *program, enum regexp_kind kind, uint32_t next,
                         uint32_t other)
{
    if (program->step_count == REGEXP_STEPS_MAX || next == REGEXP_STEPS_MAX ||
        other == REGEXP_STEPS_MAX)
        return REGEXP_STEPS_MAX;
    program->steps[program->step_count] =
        (struct regexp_step){.kind = kind, .next = next, .other = other};
    return (uint32_t)program->step_count++;
}

static uint32_t add_bytes(struct regexp_program *program, const struct regexp_bytes *bytes,
                          uint32_t next)
{
    uint32_t at = add_step(program, STEP_BYTE, next, next);
    if (at < REGEXP_STEPS_MAX)
        program->steps[at].bytes = *bytes;
    return at;
}

static uint32_t write_node(struct regexp_program *program, const struct node *node, uint32_t next);

/* Written from the end: what may be left out, then what must be there. */
static uint32_t write_repeat(struct regexp_program *program, const struct node *node, uint32_t next)
{
    uint32_t at = next;
    if (node->max < 0) {
        uint32_t loop = add_step(program, STEP_SPLIT, next, next);
        if (loop == REGEXP_STEPS_MAX)
            return loop;
        uint32_t body = write_node(program, node->left, loop);
        program->steps[loop].other = body < REGEXP_STEPS_MAX ? body : next;
        at = body == REGEXP_STEPS_MAX ? body : loop;
    }
    for (int i = node->min; i < node->max && at < REGEXP_STEPS_MAX; i++)
        at = add_step(program, STEP_SPLIT, next, write_node(program, node->left, at));
    for (int i = 0; i < node->min && at < REGEXP_STEPS_MAX; i++)
        at = write_node(program, node->left, at);
    return at;
}

static uint32_t write_node(struct regexp_program *program, const struct node *node, uint32_t next)
{
    while (node->kind == NODE_BOTH) { /* a long row of bytes is a deep tree on its left */
        next = write_node(program, node->right, next);
        node = node->left;
    }
    if (next == REGEXP_STEPS_MAX || program->work++ > WORK_MAX)
        return REGEXP_STEPS_MAX;
    switch (node->kind) {
    case NODE_EMPTY:
        return next;
    case NODE_BYTES:
        return add_bytes(program, &node->bytes, next);
    case NODE_BEGIN:
        return add_step(program, STEP_BEGIN, next, next);
    case NODE_END:
        return add_step(program, STEP_END, next, next);
    case NODE_BOTH:
        break;
    case NODE_EITHER: {
        uint32_t left = write_node(program, node->left, next);
        return add_step(program, STEP_SPLIT, left, write_node(program, node->right, next));
    }
    case NODE_REPEAT:
        return write_repeat(program, node, next);
    }
    return REGEXP_STEPS_MAX;
}

bool regexp_open(struct arena *arena, struct regexp_program *out)
{
    *out = (struct regexp_program){
        .arena = arena, .steps = arena_alloc(arena, REGEXP_STEPS_MAX, sizeof(*out->steps))};
    return out->steps != NULL;
}

static bool is_plain(struct str pattern, struct err *err)
{
    char shown[40];
    if (pattern.n > REGEXP_LENGTH_MAX)
        return err_set(err, 0, 0, "the expression is longer than %d bytes", REGEXP_LENGTH_MAX);
    for (size_t i = 0; i < pattern.n; i++)
        if (pattern.p[i] <= ' ' || pattern.p[i] == 0x7f)
            return err_set(err, 0, 0, "only printable ASCII is understood, not %s",
                           text_shorten(shown, sizeof(shown), str_skip(pattern, i)));
    return true;
}

static bool add_rule(struct regexp_program *program, const struct node *node, struct err *err)
{
    size_t before = program->step_count;
    if (program->rule_count == REGEXP_RULES_MAX)
        return err_set(err, 0, 0, "there are more than %d rules", REGEXP_RULES_MAX);
    uint32_t match = add_step(program, STEP_MATCH, 0, 0);
    if (match < REGEXP_STEPS_MAX)
        program->steps[match].rule = (uint32_t)program->rule_count;
    uint32_t start = match < REGEXP_STEPS_MAX ? write_node(program, node, match) : match;
    if (start == REGEXP_STEPS_MAX) {
        program->step_count = before;
        return err_set(err, 0, 0, "the expressions are too large together");
    }
    program->starts[program->rule_count++] = start;
    return true;
}

bool regexp_add(struct regexp_program *program, struct str pattern, struct err *err)
{
    struct parser parser = {.arena = program->arena, .rest = pattern, .err = err};
    if (!is_plain(pattern, err))
        return false;
    const struct node *node = read_either(&parser);
    if (node && parser.rest.n > 0)
        node = fail(&parser, "a ) closes nothing", parser.rest);
    return node && add_rule(program, node, err);
}

/* ---- globs --------------------------------------------------------------------------------- */

static struct node *any_run(struct parser *parser, bool slashes)
{
    struct regexp_bytes bytes = {{0}};
    if (!slashes)
        bytes_add(&bytes, '/', '/');
    bytes_invert(&bytes);
    struct node *one = node_bytes(parser, &bytes);
    struct node *repeat = one ? node_new(parser, NODE_REPEAT, one, NULL) : NULL;
    if (repeat)
        repeat->max = -1;
    return repeat;
}

static struct node *optional(struct parser *parser, struct node *node)
{
    struct node *repeat = node ? node_new(parser, NODE_REPEAT, node, NULL) : NULL;
    if (repeat)
        repeat->max = 1;
    return repeat;
}

static struct node *slash(struct parser *parser)
{
    struct regexp_bytes bytes = {{0}};
    bytes_add(&bytes, '/', '/');
    return node_bytes(parser, &bytes);
}

/* The next piece of a glob. */
static struct node *read_piece(struct parser *parser, bool wide)
{
    struct regexp_bytes bytes = {{0}};
    bool ends = str_is(parser->rest, "/**");
    if (ends || (wide && str_starts(parser->rest, STR("/**/")))) {
        skip(parser, 3); /* the slash behind it, if any, stays */
        struct node *first = slash(parser), *run = any_run(parser, true);
        return first && run ? optional(parser, node_new(parser, NODE_BOTH, first, run)) : NULL;
    }
    if (peek(parser) == '*') {
        bool slashes = str_starts(parser->rest, STR("**"));
        skip(parser, slashes ? 2 : 1);
        return any_run(parser, slashes);
    }
    bytes_add(&bytes, (unsigned char)peek(parser), (unsigned char)peek(parser));
    skip(parser, 1);
    return node_bytes(parser, &bytes);
}

bool regexp_add_glob(struct regexp_program *program, struct str glob, bool wide, struct err *err)
{
    struct parser parser = {.arena = program->arena, .rest = glob, .err = err};
    if (!is_plain(glob, err))
        return false;
    struct node *all = node_new(&parser, NODE_EMPTY, NULL, NULL);
    while (all && parser.rest.n > 0) {
        struct node *piece = read_piece(&parser, wide);
        all = piece ? node_new(&parser, NODE_BOTH, all, piece) : NULL;
    }
    return all && add_rule(program, all, err);
}
