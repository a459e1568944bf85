/* Answers that name several objects, rewritten without the hidden ones; see include/hide.h. What is
   kept is copied byte for byte. Bodies are taken apart by pieces, so that no host has too many
   objects for one document. */
#include "hide.h"

#include "pieces.h"

enum {
    GROWTH = 4096,   /* bytes: room for the totals, which are a dozen numbers */
    COPY_LEVELS = 3, /* of brackets above what is scanned as one document */
};

struct rewrite {
    const struct hide *hide;
    struct str body; /* without blanks around it */
    struct arena scratch;
    struct json_out out;
    bool failed;
};

static bool fail(struct rewrite *w)
{
    w->failed = true;
    return false;
}

static void put(struct rewrite *w, struct str text)
{
    json_out_raw(&w->out, text);
    w->out.comma = false;
}

static void put_comma(struct rewrite *w, bool *any)
{
    if (*any)
        put(w, STR(","));
    *any = true;
}

static void put_int(struct rewrite *w, int64_t value)
{
    json_out_int(&w->out, value);
    w->out.comma = false;
}

/* What of a piece stands before its value, and behind it. */
static struct str piece_before(const struct json_piece *piece)
{
    return str_from(piece->all.p, piece->value.p);
}

static struct str piece_behind(const struct json_piece *piece)
{
    return str_from(piece->value.p + piece->value.n, piece->all.p + piece->all.n);
}

static void put_piece(struct rewrite *w, const struct json_piece *piece, struct str value)
{
    put(w, piece_before(piece));
    put(w, value);
    put(w, piece_behind(piece));
}

/* Ends what was taken apart, which must have been well-formed. */
static void put_tail(struct rewrite *w, const struct json_pieces *pieces)
{
    if (pieces->bad)
        w->failed = true;
    else
        put(w, pieces->tail);
}

/* What our reader refuses is nobody's to see, and takes nothing from others; what it has no memory
   for may be anybody's. */
static bool readable(struct rewrite *w, struct str value, struct json *doc)
{
    arena_reset(&w->scratch);
    return json_scan(value, &w->scratch, doc, NULL) || (w->scratch.full && fail(w));
}

static bool scan(struct rewrite *w, struct str value, struct json *doc)
{
    arena_reset(&w->scratch);
    return json_scan(value, &w->scratch, doc, NULL) || fail(w);
}

/* The next piece; its name, if it has one, is strict JSON. */
static bool next_checked(struct rewrite *w, struct json_pieces *pieces, struct json_piece *piece)
{
    struct json doc;
    if (w->failed || !json_pieces_next(pieces, piece))
        return false;
    return !piece->name.p || scan(w, (struct str){piece->name.p - 1, piece->name.n + 2}, &doc);
}

/* The same where names are compared: an escape in one could hide what it says. */
static bool next_plain(struct rewrite *w, struct json_pieces *pieces, struct json_piece *piece)
{
    if (!next_checked(w, pieces, piece))
        return false;
    return str_find(piece->name, '\\') == piece->name.n || fail(w);
}

static bool is_list(struct str value)
{
    return str_starts(value, STR("["));
}

/* Is it strict JSON? Taken apart first, so that it may hold any number of values. */
static bool check_value(struct rewrite *w, struct str value, int levels)
{
    struct json doc;
    if (levels == 0 || (!is_list(value) && !str_starts(value, STR("{"))))
        return scan(w, value, &doc);
    struct json_pieces pieces = json_pieces_of(value);
    struct json_piece piece;
    while (next_checked(w, &pieces, &piece))
        if (!check_value(w, piece.value, levels - 1))
            return false;
    w->failed = w->failed || pieces.bad;
    return !w->failed;
}

static void copy_piece(struct rewrite *w, const struct json_piece *piece)
{
    if (check_value(w, piece->value, COPY_LEVELS))
        put(w, piece->all);
}

/* ---- networks ------------------------------------------------------------------------------ */

static bool id_visible(const struct rewrite *w, const struct hide_ids *visible, struct str id)
{
    if (w->hide->own_container.p && str_eq(id, w->hide->own_container))
        return false;
    for (size_t i = 0; visible && i < visible->count; i++)
        if (str_eq(id, visible->items[i]))
            return true;
    return !visible;
}

static void write_endpoints(struct rewrite *w, const struct hide_ids *visible, struct str value)
{
    struct json_pieces pieces = json_pieces_of(value);
    struct json_piece piece;
    bool any = false;
    put(w, STR("{"));
    while (next_plain(w, &pieces, &piece)) {
        if (!id_visible(w, visible, piece.name))
            continue;
        put_comma(w, &any);
        copy_piece(w, &piece);
    }
    put_tail(w, &pieces);
}

static struct str member_of(struct str object, const char *name)
{
    struct json_pieces pieces = json_pieces_of(object);
    struct json_piece piece;
    while (json_pieces_next(&pieces, &piece))
        if (str_is(piece.name, name))
            return piece.value;
    return (struct str){NULL, 0};
}

/* Does the network bear the label? */
static bool network_is_mine(struct rewrite *w)
{
    struct json doc;
    struct str labels = member_of(w->body, "Labels");
    if (!str_starts(labels, STR("{")) || !scan(w, labels, &doc))
        return false;
    const struct json_node *label = json_get(&doc, doc.nodes, w->hide->label);
    return label && label->kind == JSON_STRING && str_eq(label->text, w->hide->value);
}

static void write_network(struct rewrite *w, const struct hide_ids *visible)
{
    static const struct hide_ids nobody = {NULL, 0};
    if (!visible && w->hide->label.p && !network_is_mine(w))
        visible = &nobody;
    struct json_pieces pieces = json_pieces_of(w->body);
    struct json_piece piece;
    bool any = false;
    put(w, STR("{"));
    while (next_plain(w, &pieces, &piece)) {
        put_comma(w, &any);
        if (!str_is(piece.name, "Containers") || !str_starts(piece.value, STR("{"))) {
            copy_piece(w, &piece);
            continue;
        }
        put(w, piece_before(&piece));
        write_endpoints(w, visible, piece.value);
        put(w, piece_behind(&piece));
    }
    put_tail(w, &pieces);
}

/* ---- images -------------------------------------------------------------------------------- */

/* Up to the node, and something else in its place. */
static void put_instead(struct rewrite *w, const struct json *doc, const struct json_node *node,
                        uint32_t *from, struct str text)
{
    put(w, str_skip(str_head(doc->source, node->offset), *from));
    put(w, text);
    *from = node->end;
}

/* The list of containers' IDs without the hidden ones; whose the others are, it does not say. */
static void write_users(struct rewrite *w, const struct json *doc, const struct json_node *list,
                        uint32_t *from)
{
    bool any = false;
    put_instead(w, doc, list, from, STR("["));
    for (const struct json_node *n = json_child(doc, list); n; n = json_next(doc, n)) {
        if (w->hide->label.p || n->kind != JSON_STRING || str_eq(n->text, w->hide->own_container))
            continue;
        put_comma(w, &any);
        put(w, str_skip(str_head(doc->source, n->end), n->offset));
    }
    put(w, STR("]"));
}

/* Of each platform's manifest (moby, api/swagger.yaml: ImageManifestSummary). */
static void write_manifests(struct rewrite *w, const struct json *doc, const struct json_node *list,
                            uint32_t *from)
{
    for (const struct json_node *n = json_child(doc, list); n; n = json_next(doc, n)) {
        const struct json_node *data = json_get(doc, n, STR("ImageData"));
        const struct json_node *users = data ? json_get(doc, data, STR("Containers")) : NULL;
        if (users && users->kind == JSON_ARRAY)
            write_users(w, doc, users, from);
        else if (users && users->kind != JSON_NULL)
            fail(w);
    }
}

/* An image without the containers that use it: how many (-1: not counted), and which. */
static void write_image(struct rewrite *w, const struct json *doc)
{
    uint32_t from = 0;
    for (const struct json_node *n = json_child(doc, doc->nodes); n; n = json_next(doc, n)) {
        if (str_is(n->key, "Containers") && w->hide->label.p)
            put_instead(w, doc, n, &from, STR("-1"));
        if (str_is(n->key, "Manifests"))
            write_manifests(w, doc, n, &from);
    }
    put(w, str_skip(doc->source, from));
}

/* ---- what is used: lists ------------------------------------------------------------------- */

/* What the daemon makes totals of (https://docs.docker.com/reference/api/engine/, SystemDataUsage).
 */
struct totals {
    int64_t count, active, size, reclaimable;
};

static int64_t number_of(const struct json *doc, const struct json_node *object, struct str name)
{
    int64_t value = 0;
    const struct json_node *node = json_get(doc, object, name);
    return node && json_int(node, &value) && value > 0 ? value : 0;
}

static void tally(struct totals *totals, enum hide_shape shape, const struct json *doc)
{
    int64_t size = 0;
    bool active = false;
    if (shape == HIDE_CONTAINER) {
        static const char *const states[] = {"running", "paused", "restarting"};
        const struct json_node *state = json_get(doc, doc->nodes, STR("State"));
        for (size_t i = 0; i < ARRAY_LEN(states); i++)
            active = active || (state && str_is(state->text, states[i]));
        size = number_of(doc, doc->nodes, STR("SizeRw"));
    } else if (shape == HIDE_VOLUME) {
        const struct json_node *usage = json_get(doc, doc->nodes, STR("UsageData"));
        active = number_of(doc, usage, STR("RefCount")) > 0;
        size = number_of(doc, usage, STR("Size"));
    }
    totals->count++;
    totals->active += active;
    if (__builtin_add_overflow(totals->size, size, &totals->size))
        totals->size = INT64_MAX;
    if (!active && __builtin_add_overflow(totals->reclaimable, size, &totals->reclaimable))
        totals->reclaimable = INT64_MAX;
}

static void write_element(struct rewrite *w, enum hide_shape shape, const struct json_piece *piece,
                          const struct json *doc)
{
    if (shape != HIDE_IMAGE) {
        put(w, piece->all);
        return;
    }
    put(w, piece_before(piece));
    write_image(w, doc);
    put(w, piece_behind(piece));
}

/* Writes the list without what is hidden. */
static void write_list(struct rewrite *w, enum hide_shape shape, struct str value,
                       struct totals *totals)
{
    struct json_pieces pieces = json_pieces_of(value);
    struct json_piece piece;
    struct json doc;
    bool any = false;
    put(w, STR("["));
    while (next_plain(w, &pieces, &piece)) {
        if (!readable(w, piece.value, &doc) || object_hidden(w->hide, shape, &doc))
            continue;
        tally(totals, shape, &doc);
        put_comma(w, &any);
        write_element(w, shape, &piece, &doc);
    }
    put_tail(w, &pieces);
}

static struct totals totals_of(struct rewrite *w, enum hide_shape shape, struct str list)
{
    struct totals totals = {0};
    struct json_out out = w->out;
    write_list(w, shape, list, &totals); /* what it writes is written over */
    w->out = out;
    return totals;
}

/* ---- what is used: the answer -------------------------------------------------------------- */

/* Below API 1.52 the lists alone, from then on both or the second (moby, system_routes.go). */
static const struct usage_row {
    const char *list;  /* member of the answer: elements */
    const char *usage; /* member of the answer: totals, and maybe Items */
    enum hide_shape shape;
    bool shared; /* its elements have no owner */
} usage_rows[] = {
    {"Containers", "ContainerUsage", HIDE_CONTAINER, false},
    {"Volumes", "VolumeUsage", HIDE_VOLUME, false},
    {"Images", "ImageUsage", HIDE_IMAGE, false},
    {"BuildCache", "BuildCacheUsage", HIDE_SHAPES, true},
};

/* How a member of totals is written. */
enum total { TOTAL_COPY, TOTAL_DROP, TOTAL_NUMBER, TOTAL_ITEMS };

/* The own container is running, or it could not ask. */
static int64_t less_own(struct str value)
{
    int64_t number = 0;
    struct json_node node = {.kind = JSON_NUMBER, .text = value};
    return json_int(&node, &number) && number > 0 ? number - 1 : 0;
}

static enum total total_known(const struct totals *totals, struct str name, int64_t *number)
{
    const struct {
        const char *name;
        int64_t number;
    } rows[] = {{"TotalCount", totals->count},
                {"ActiveCount", totals->active},
                {"TotalSize", totals->size},
                {"Reclaimable", totals->reclaimable}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_is(name, rows[i].name)) {
            *number = rows[i].number;
            return TOTAL_NUMBER;
        }
    return TOTAL_DROP;
}

/* Images share layers, so sizes of some say nothing; which are in use tells of containers. */
static enum total total_image(const struct hide *hide, const struct totals *totals, struct str name,
                              int64_t *number)
{
    bool count = str_is(name, "TotalCount");
    if (!hide->images)
        return count || str_is(name, "TotalSize") ? TOTAL_COPY : TOTAL_DROP;
    *number = totals ? totals->count : 0;
    return totals && count ? TOTAL_NUMBER : TOTAL_DROP;
}

/* totals NULL: nothing to make them of. */
static enum total total_of(const struct rewrite *w, const struct usage_row *row,
                           const struct totals *totals, const struct json_piece *piece,
                           int64_t *number)
{
    if (str_is(piece->name, "Items"))
        return is_list(piece->value) ? TOTAL_ITEMS : TOTAL_COPY;
    if (!w->hide->label.p) {
        *number = less_own(piece->value);
        bool count = str_is(piece->name, "TotalCount") || str_is(piece->name, "ActiveCount");
        if (row->shape != HIDE_CONTAINER || !w->hide->own_container.p || (!totals && !count))
            return TOTAL_COPY;
        enum total known = totals ? total_known(totals, piece->name, number) : TOTAL_NUMBER;
        return known == TOTAL_NUMBER ? TOTAL_NUMBER : TOTAL_COPY;
    }
    if (row->shape == HIDE_IMAGE)
        return total_image(w->hide, totals, piece->name, number);
    return totals ? total_known(totals, piece->name, number) : TOTAL_DROP;
}

static void write_items(struct rewrite *w, const struct usage_row *row,
                        const struct json_piece *piece)
{
    struct totals totals = {0};
    put(w, piece_before(piece));
    write_list(w, row->shape, piece->value, &totals);
    put(w, piece_behind(piece));
}

static void write_usage(struct rewrite *w, const struct usage_row *row, struct str value)
{
    struct str items = member_of(value, "Items");
    struct str list = is_list(items) ? items : member_of(w->body, row->list);
    struct totals totals = {0};
    if (is_list(list))
        totals = totals_of(w, row->shape, list);
    struct json_pieces pieces = json_pieces_of(value);
    struct json_piece piece;
    bool any = false;
    put(w, STR("{"));
    while (next_plain(w, &pieces, &piece)) {
        int64_t number = 0;
        enum total total = total_of(w, row, is_list(list) ? &totals : NULL, &piece, &number);
        if (total == TOTAL_DROP)
            continue;
        put_comma(w, &any);
        if (total == TOTAL_COPY)
            copy_piece(w, &piece);
        if (total == TOTAL_ITEMS)
            write_items(w, row, &piece);
        if (total == TOTAL_NUMBER) {
            put(w, piece_before(&piece));
            put_int(w, number);
            put(w, piece_behind(&piece));
        }
    }
    put_tail(w, &pieces);
}

/* A member whose row is known. */
static void write_known(struct rewrite *w, const struct usage_row *row,
                        const struct json_piece *piece)
{
    bool list = str_is(piece->name, row->list);
    struct totals totals = {0};
    if (row->shared && w->hide->label.p && !str_is(piece->value, "null")) {
        put_piece(w, piece, list ? STR("[]") : STR("{}"));
        return;
    }
    bool open = str_starts(piece->value, list ? STR("[") : STR("{"));
    if (row->shared || !open) {
        if (!open && !str_is(piece->value, "null"))
            w->failed = true;
        copy_piece(w, piece);
        return;
    }
    put(w, piece_before(piece));
    if (list)
        write_list(w, row->shape, piece->value, &totals);
    else
        write_usage(w, row, piece->value);
    put(w, piece_behind(piece));
}

static const struct usage_row *usage_row_of(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(usage_rows); i++)
        if (str_is(name, usage_rows[i].list) || str_is(name, usage_rows[i].usage))
            return &usage_rows[i];
    return NULL;
}

/* Under a label only what is known not to tell of others. */
static bool scalar_kept(const struct hide *hide, struct str name)
{
    return !hide->label.p || (str_is(name, "LayersSize") && !hide->images);
}

static void write_answer(struct rewrite *w)
{
    struct json_pieces pieces = json_pieces_of(w->body);
    struct json_piece piece;
    bool any = false;
    put(w, STR("{"));
    while (next_plain(w, &pieces, &piece)) {
        const struct usage_row *row = usage_row_of(piece.name);
        if (!row && !scalar_kept(w->hide, piece.name))
            continue;
        put_comma(w, &any);
        if (row)
            write_known(w, row, &piece);
        else
            copy_piece(w, &piece);
    }
    put_tail(w, &pieces);
}

/* ---- both ---------------------------------------------------------------------------------- */

static size_t blanks_of(struct str text)
{
    size_t n = 0;
    while (n < text.n && memchr(" \t\r\n", text.p[n], 4))
        n++;
    return n;
}

/* Separates an object from the blanks around it. */
static bool open_body(struct str text, struct str *before, struct str *body, struct str *behind)
{
    struct json_span span = {0};
    *before = str_head(text, blanks_of(text));
    *body = str_skip(text, before->n);
    *body = str_head(*body, json_span_take(&span, *body));
    *behind = str_skip(text, before->n + body->n);
    return span.done && body->p[0] == '{' && blanks_of(*behind) == behind->n;
}

static bool rewrite_begin(struct rewrite *w, struct str text, struct arena *arena,
                          struct str *behind)
{
    struct str before;
    size_t cap;
    if (!open_body(text, &before, &w->body, behind) || __builtin_mul_overflow(text.n, 2, &cap) ||
        __builtin_add_overflow(cap, GROWTH, &cap))
        return false;
    w->out = (struct json_out){.p = arena_alloc(arena, cap, 1), .cap = cap};
    if (!w->out.p)
        return false;
    put(w, before);
    return true;
}

static bool rewrite_end(struct rewrite *w, struct str behind, struct str *out)
{
    put(w, behind);
    arena_free(&w->scratch);
    *out = (struct str){w->out.p, w->out.len};
    return !w->failed && w->out.len <= w->out.cap;
}

bool hide_in_network(const struct hide *hide, const struct hide_ids *visible, struct str text,
                     struct arena *arena, struct str *out)
{
    struct rewrite w = {.hide = hide};
    struct str behind;
    if (!rewrite_begin(&w, text, arena, &behind))
        return false;
    write_network(&w, visible);
    return rewrite_end(&w, behind, out);
}

bool hide_in_image(const struct hide *hide, struct str text, struct arena *arena, struct str *out)
{
    struct rewrite w = {.hide = hide};
    struct json doc;
    struct str behind;
    if (!rewrite_begin(&w, text, arena, &behind))
        return false;
    if (scan(&w, w.body, &doc))
        write_image(&w, &doc);
    return rewrite_end(&w, behind, out);
}

bool hide_in_usage(const struct hide *hide, struct str text, struct arena *arena, struct str *out)
{
    struct rewrite w = {.hide = hide};
    struct str behind;
    if (!rewrite_begin(&w, text, arena, &behind))
        return false;
    write_answer(&w);
    return rewrite_end(&w, behind, out);
}
