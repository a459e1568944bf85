/* A YAML document as a tree, by libyaml's events: mappings, lists and texts, with their lines. What
   makes YAML more than that is refused: anchors and aliases, tags, merge keys, several documents,
   keys given twice. */
#ifndef PROXY_YAML_TREE_H
#define PROXY_YAML_TREE_H

#include "arena.h"
#include "err.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_tree {
    enum yaml_kind kind;
    int line;        /* from 1 */
    bool quoted;     /* a text that cannot be null or a switch */
    struct str text; /* YAML_TEXT */
    struct str key;  /* of a member; p NULL: it is none */
    struct yaml_tree *child, *next;
};

/* Reads the only document of the text into the arena. NULL with err set (line and column): it is
   none, or is refused. */
struct yaml_tree *yaml_tree_read(struct str text, struct arena *arena, struct err *err);

/* The member of that name; NULL: there is none, or map is no mapping or NULL. */
const struct yaml_tree *yaml_tree_get(const struct yaml_tree *map, const char *name);

/* Nothing: absent, an empty text that is not quoted, null, or ~; or an empty list or mapping. */
bool yaml_tree_empty(const struct yaml_tree *node);

/* true and false, as YAML 1.2 spells them, not quoted. False: it is neither. */
bool yaml_tree_switch(const struct yaml_tree *node, bool *out);

#endif
