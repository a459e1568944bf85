/* YAML by libyaml; see yaml_tree.h. Built where libyaml is there. */
#include "yaml_tree.h"

#ifdef SOCKWARDEN_YAML

#include <yaml.h>

enum { DEPTH_MAX = 32, NODES_MAX = 50000 };

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    struct arena *arena;
    struct err *err;
    size_t nodes;
};

static struct yaml_tree *refuse(struct reader *reader, const char *what)
{
    const yaml_mark_t *mark = &reader->event.start_mark;
    err_set(reader->err, (int)mark->line + 1, (int)mark->column + 1, "%s", what);
    return NULL;
}

static void drop_event(struct reader *reader)
{
    if (reader->has_event)
        yaml_event_delete(&reader->event);
    reader->has_event = false;
}

/* The next event; false: there is none, and err is set. */
static bool next_event(struct reader *reader)
{
    drop_event(reader);
    if (!yaml_parser_parse(&reader->parser, &reader->event)) {
        const yaml_parser_t *parser = &reader->parser;
        return err_set(reader->err, (int)parser->problem_mark.line + 1,
                       (int)parser->problem_mark.column + 1, "it is no YAML: %s",
                       parser->problem ? parser->problem : "out of memory");
    }
    reader->has_event = true;
    return true;
}

static bool expect(struct reader *reader, yaml_event_type_t type, const char *what)
{
    return next_event(reader) && (reader->event.type == type || refuse(reader, what) != NULL);
}

static struct str scalar_text(struct reader *reader)
{
    const char *value = (const char *)reader->event.data.scalar.value;
    return arena_copy(reader->arena, (struct str){value, reader->event.data.scalar.length});
}

static struct yaml_tree *read_node(struct reader *reader, int depth);

static bool has_key(const struct yaml_tree *map, struct str key)
{
    for (const struct yaml_tree *member = map->child; member; member = member->next)
        if (str_eq(member->key, key))
            return true;
    return false;
}

/* Behind the start of a mapping: pairs until its end. */
static bool read_members(struct reader *reader, struct yaml_tree *map, int depth)
{
    struct yaml_tree **end = &map->child;
    while (next_event(reader)) {
        if (reader->event.type == YAML_MAPPING_END_EVENT)
            return true;
        if (reader->event.type != YAML_SCALAR_EVENT || reader->event.data.scalar.anchor)
            return refuse(reader, "a key has to be a plain text") != NULL;
        struct str key = scalar_text(reader);
        if (!key.p || key.n == 0 || str_is(key, "<<") || has_key(map, key))
            return refuse(reader, key.n && has_key(map, key) ? "the key is given twice"
                                                             : "the key is not understood") != NULL;
        struct yaml_tree *value = next_event(reader) ? read_node(reader, depth) : NULL;
        if (!value)
            return false;
        value->key = key;
        *end = value;
        end = &value->next;
    }
    return false;
}

static bool read_items(struct reader *reader, struct yaml_tree *list, int depth)
{
    struct yaml_tree **end = &list->child;
    while (next_event(reader)) {
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            return true;
        struct yaml_tree *item = read_node(reader, depth);
        if (!item)
            return false;
        *end = item;
        end = &item->next;
    }
    return false;
}

/* The node that begins with the current event. */
static struct yaml_tree *read_node(struct reader *reader, int depth)
{
    const yaml_event_t *event = &reader->event;
    bool marked = event->type == YAML_ALIAS_EVENT ||
                  (event->type == YAML_SCALAR_EVENT &&
                   (event->data.scalar.anchor || event->data.scalar.tag)) ||
                  (event->type == YAML_SEQUENCE_START_EVENT &&
                   (event->data.sequence_start.anchor || event->data.sequence_start.tag)) ||
                  (event->type == YAML_MAPPING_START_EVENT &&
                   (event->data.mapping_start.anchor || event->data.mapping_start.tag));
    if (marked)
        return refuse(reader, "anchors, aliases and tags are not understood; write it out");
    struct yaml_tree *node = depth < DEPTH_MAX && reader->nodes++ < NODES_MAX
                                 ? arena_alloc(reader->arena, 1, sizeof(*node))
                                 : NULL;
    if (!node)
        return refuse(reader, "the document is too large or too deep");
    node->line = (int)event->start_mark.line + 1;
    bool good = false;
    if (event->type == YAML_SCALAR_EVENT) {
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        node->text = scalar_text(reader);
        good = node->text.p || refuse(reader, "out of memory") != NULL;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        node->kind = YAML_LIST;
        good = read_items(reader, node, depth + 1);
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        node->kind = YAML_MAP;
        good = read_members(reader, node, depth + 1);
    } else {
        refuse(reader, "a value is missing");
    }
    return good ? node : NULL;
}

static struct yaml_tree *read_document(struct reader *reader)
{
    if (!expect(reader, YAML_STREAM_START_EVENT, "it is no YAML") ||
        !expect(reader, YAML_DOCUMENT_START_EVENT, "there is no document"))
        return NULL;
    struct yaml_tree *root = next_event(reader) ? read_node(reader, 0) : NULL;
    return root && expect(reader, YAML_DOCUMENT_END_EVENT, "the document does not end") &&
                   expect(reader, YAML_STREAM_END_EVENT, "there is a second document")
               ? root
               : NULL;
}

struct yaml_tree *yaml_tree_read(struct str text, struct arena *arena, struct err *err)
{
    struct reader reader = {.arena = arena, .err = err};
    if (!yaml_parser_initialize(&reader.parser)) {
        err_set(err, 0, 0, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)(text.p ? text.p : ""),
                                 text.n);
    struct yaml_tree *root = read_document(&reader);
    drop_event(&reader);
    yaml_parser_delete(&reader.parser);
    return root;
}

const struct yaml_tree *yaml_tree_get(const struct yaml_tree *map, const char *name)
{
    const struct yaml_tree *member = map && map->kind == YAML_MAP ? map->child : NULL;
    while (member && !str_is(member->key, name))
        member = member->next;
    return member;
}

bool yaml_tree_empty(const struct yaml_tree *node)
{
    if (!node || node->kind != YAML_TEXT)
        return !node || !node->child;
    return !node->quoted &&
           (node->text.n == 0 || str_is(node->text, "~") || str_is(node->text, "null"));
}

bool yaml_tree_switch(const struct yaml_tree *node, bool *out)
{
    if (!node || node->kind != YAML_TEXT || node->quoted)
        return false;
    *out = str_is(node->text, "true");
    return *out || str_is(node->text, "false");
}

#endif
