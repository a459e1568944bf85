/* What the parts of the policy loader share: the errors of one run, the settings that a role writes
   itself, and the readers of constraints and their entries. */
#ifndef POLICY_LOAD_H
#define POLICY_LOAD_H

#include "nearest.h"
#include "schema.h"

/* What a role says: first its own words, later with all that it inherits. */
struct settings {
    struct role role;
    bool has_unknown_fields;
    bool has_archive;
    bool has_existing;
    bool has_api_min;
    bool has_api_max;
};

enum draft_state { DRAFT_NEW, DRAFT_OPEN /* being resolved */, DRAFT_DONE };

/* A role on its way from text to struct role. */
struct draft {
    const struct json *doc;       /* where it is written */
    const struct json_node *node; /* its value */
    const char *builtin;          /* "default"; NULL: a role of the file */
    struct str name;              /* as others name it: "ci", "builtin:default" */
    struct settings own;
    struct settings *merged;         /* in the policy's arena; valid once DONE */
    const struct json_node *extends; /* NULL: none */
    enum draft_state state;
    int chain; /* roles on the longest way up, itself included */
};

struct loader {
    struct arena *arena;  /* the policy's */
    struct arena scratch; /* documents and drafts; gone after loading */
    struct err_list *errors;
    size_t error_count;     /* found in this run, told or not */
    size_t warning_count;   /* told in this run */
    const struct json *doc; /* being read: places of errors are in it */
    const char *builtin;    /* role being read when it is a built-in one, for errors */
    struct draft *drafts;   /* of the file, then the built-in ones */
    size_t draft_count;
    struct constraint defaults[KEY_COUNT];
};

/* ---- errors: one sentence each, at an offset of the document being read --------------------- */

void load_error(struct loader *loader, uint32_t offset, const char *format, ...) PRINTF_LIKE(3, 4);
void load_warning(struct loader *loader, uint32_t offset, const char *format, ...)
    PRINTF_LIKE(3, 4);
void load_no_memory(struct loader *loader);
/* Are further errors still told? If not, looking for the nearest name is wasted work. */
bool load_errors_shown(const struct loader *loader);

enum { QUOTED_MAX = 96, HINT_MAX = 160 };
/* `"text"`, shortened and escaped, in dst; returns dst. */
char *quoted(char dst[QUOTED_MAX], struct str text);
/* `; did you mean "x"?` or "" in dst; returns dst. */
char *hint_of(char dst[HINT_MAX], const struct nearest *nearest);
/* "a list", "text", "true": for "expects ..., got ...". */
const char *kind_name(const struct json_node *node);

/* Is the node of this kind? If not, an error: `what expects wanted, got ...`. */
bool load_expect(struct loader *loader, const struct json_node *node, enum json_kind kind,
                 const char *what, const char *wanted);
/* A "description" member is taken in any object, when it is text. True: it was one. */
bool load_description(struct loader *loader, const struct json_node *member);

/* ---- one role (load_role.c) ------------------------------------------------------------------ */

/* Reads what the role itself writes into draft->own; extends is only noted. */
void load_role(struct loader *loader, struct draft *draft);

/* ---- objects and owner (load_objects.c) ------------------------------------------------------ */

void load_objects(struct loader *loader, const struct json_node *node, struct role *role);
/* Can owner.value hold ${name}? (visible.c) */
bool owner_variable_known(struct str name);
void load_owner(struct loader *loader, const struct json_node *node, struct role *role);

/* ---- responses (load_responses.c) ------------------------------------------------------------ */

void load_responses(struct loader *loader, const struct json_node *node, struct role *role);
void load_warn_responses(struct loader *loader, const struct draft *draft);

/* ---- limits (load_limits.c) ------------------------------------------------------------------ */

void load_limits(struct loader *loader, const struct json_node *node, struct role *role);
void load_warn_limits(struct loader *loader, const struct draft *draft);

/* A draft whose name is already in the policy's arena; false: out of memory. (load.c) */
bool load_add_draft(struct loader *loader, const struct json *doc, const struct json_node *node,
                    const char *builtin, struct str name);

/* ---- built-in roles (load_builtin.c) --------------------------------------------------------- */

/* Drafts of those that are part of every policy. */
void load_usual_builtins(struct loader *loader);
/* load_find_draft(), and a new draft for a built-in role that none was made of yet. It is not
   resolved. */
struct draft *load_want_draft(struct loader *loader, struct str name);
/* All their names; without "builtin:" they are near, too. */
void load_offer_builtins(struct nearest *nearest);

/* ---- extends (load_extends.c) ---------------------------------------------------------------- */

/* Fills draft->merged of every draft. */
void load_resolve_all(struct loader *loader);
/* The draft of that name, as `extends` writes it; NULL: there is none. */
struct draft *load_find_draft(struct loader *loader, struct str name);
/* An error: the text of the node names no role. what: where it stands. */
void load_unknown_role(struct loader *loader, const struct json_node *node, const char *what);

/* ---- clients (load_client.c) ----------------------------------------------------------------- */

/* The entries of `clients` into the policy. All drafts are there. */
void load_clients(struct loader *loader, const struct json *doc, const struct json_node *clients,
                  struct policy *policy);
/* For qsort over pointers to nodes: by text, kind and place. */
int load_node_order(const void *a, const void *b);

/* ---- warnings (load_warn.c) ------------------------------------------------------------------ */

/* What loads and is yet hardly meant so. Only after a run without errors. */
void load_warn(struct loader *loader, const struct json *doc, const struct policy *policy);

/* ---- warnings about values (load_values.c) --------------------------------------------------- */

void load_warn_values(struct loader *loader, const struct draft *draft);
/* An address range with bits behind its prefix. what: where it stands. */
void load_warn_range(struct loader *loader, const struct json_node *node, const char *what);

/* ---- open (load_open.c) ---------------------------------------------------------------------- */

/* One entry of `open`: true when it names something that open has an effect on. */
bool load_open_entry(struct loader *loader, const struct json_node *node);
/* The operation of that exact name. */
bool operation_find(struct str name, enum operation *out);
void operation_offer_all(struct nearest *nearest);

/* ---- constraints (load_constraint.c) --------------------------------------------------------- */

/* One constraint of a role; errors name the key. */
void load_constraint(struct loader *loader, enum key key, const struct json_node *node,
                     struct constraint *out);
/* loader->defaults from the table. */
void load_defaults(struct loader *loader);

/* {"team": "a-*"}: names and globs for their values, two entries each. what: where it stands. */
struct entries load_label_pairs(struct loader *loader, const struct json_node *node,
                                const char *what);

/* ---- entries (load_entry.c) ------------------------------------------------------------------ */

/* One entry of a list of this key, checked, normalised and parsed. */
bool load_entry(struct loader *loader, enum key key, const struct json_node *node,
                struct entry *out);
/* The name of images, as an entry of the key, in its one spelling. */
bool load_image(struct loader *loader, enum key key, const struct json_node *node,
                struct entry *out);
/* "512m", 2147483648: bytes. */
bool load_bytes(struct str text, int64_t *out);
/* "512m", 2147483648; "1.5", 1.5; 100. */
bool load_max(struct loader *loader, enum key key, const struct json_node *node, int64_t *out);

/* ---- images.signed (load_signed.c) ----------------------------------------------------------- */

/* One entry: fills text with its match, and signature. False: it is none. */
bool load_signed(struct loader *loader, const struct json_node *node, struct entry *out);
/* What entries of the list say together; list is where it is written. */
void load_signed_list(struct loader *loader, const struct json_node *list,
                      const struct entries *entries);
void load_warn_signed(struct loader *loader, const struct draft *draft);

#endif
