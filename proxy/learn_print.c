/* JSON for people who will go on writing it: two blanks a level, on one line what fits there, and
   lists of texts in full lines. */
#include "learn.h"

enum { WIDTH = 100, STEP = 2 };

struct printer {
    FILE *file;
    const struct json *doc;
};

static void print_node(const struct printer *printer, const struct json_node *node, int column,
                       int indent);

static bool is_tree(const struct json_node *node)
{
    return node->kind == JSON_OBJECT || node->kind == JSON_ARRAY;
}

/* Columns that it takes on one line: a blank behind each comma and colon. */
static size_t width_of(const struct json *doc, const struct json_node *node)
{
    size_t width = node->key.p ? (size_t)(node->offset - node->key_offset) + 1 : 0;
    if (!is_tree(node))
        return width + (node->end - node->offset);
    width += node->kind == JSON_OBJECT ? 4 : 2;
    for (const struct json_node *n = json_child(doc, node); n && width <= WIDTH;
         n = json_next(doc, n))
        width += width_of(doc, n) + 2;
    return width;
}

static int print_key(const struct printer *printer, const struct json_node *node)
{
    if (!node->key.p)
        return 0;
    struct str raw = str_skip(str_head(printer->doc->source, node->offset), node->key_offset);
    fprintf(printer->file, "%.*s ", STR_ARG(raw)); /* with its colon: there were no blanks */
    return (int)raw.n + 1;
}

static void print_lines(const struct printer *printer, const struct json_node *node, int indent)
{
    for (const struct json_node *n = json_child(printer->doc, node); n;
         n = json_next(printer->doc, n)) {
        fprintf(printer->file, "\n%*s", indent + STEP, "");
        int width = print_key(printer, n);
        print_node(printer, n, indent + STEP + width, indent + STEP);
        if (json_next(printer->doc, n))
            fputc(',', printer->file);
    }
    fprintf(printer->file, "\n%*s", indent, "");
}

static bool holds_trees(const struct json *doc, const struct json_node *node)
{
    for (const struct json_node *n = json_child(doc, node); n; n = json_next(doc, n))
        if (is_tree(n))
            return true;
    return false;
}

/* As many on a line as fit. */
static void print_filled(const struct printer *printer, const struct json_node *node, int indent)
{
    const size_t first = (size_t)indent + STEP;
    size_t column = 0;
    for (const struct json_node *n = json_child(printer->doc, node); n;
         n = json_next(printer->doc, n)) {
        size_t width = width_of(printer->doc, n) + 2; /* with its comma and a blank */
        if (column == 0 || column + width > WIDTH) {
            fprintf(printer->file, "\n%*s", indent + STEP, "");
            column = first;
        } else {
            fputc(' ', printer->file);
        }
        column += width;
        print_node(printer, n, 0, 0);
        if (json_next(printer->doc, n))
            fputc(',', printer->file);
    }
    fprintf(printer->file, "\n%*s", indent, "");
}

static void print_line(const struct printer *printer, const struct json_node *node)
{
    const char *pad = node->kind == JSON_OBJECT ? " " : "";
    fputs(pad, printer->file);
    for (const struct json_node *n = json_child(printer->doc, node); n;
         n = json_next(printer->doc, n)) {
        print_key(printer, n);
        print_node(printer, n, 0, 0);
        if (json_next(printer->doc, n))
            fputs(", ", printer->file);
    }
    fputs(pad, printer->file);
}

static void print_node(const struct printer *printer, const struct json_node *node, int column,
                       int indent)
{
    bool object = node->kind == JSON_OBJECT;
    if (!is_tree(node)) {
        struct str raw = json_raw(printer->doc, node);
        fprintf(printer->file, "%.*s", STR_ARG(raw));
        return;
    }
    fputc(object ? '{' : '[', printer->file);
    if (node->count > 0 && (size_t)column + width_of(printer->doc, node) <= WIDTH)
        print_line(printer, node);
    else if (!object && node->count > 0 && !holds_trees(printer->doc, node))
        print_filled(printer, node, indent);
    else if (node->count > 0)
        print_lines(printer, node, indent);
    fputc(object ? '}' : ']', printer->file);
}

bool learned_print(struct str json, FILE *file)
{
    struct arena arena = {0};
    struct json doc;
    struct err err = {0};
    const struct printer printer = {file, &doc};
    bool ok = json_scan(json, &arena, &doc, &err) && doc.count > 0;
    if (ok) {
        print_node(&printer, doc.nodes, 0, 0);
        fputc('\n', file);
    }
    arena_free(&arena);
    return ok && ferror(file) == 0;
}
