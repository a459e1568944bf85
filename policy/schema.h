/* The three tables and what a check sees. Private to policy/. */
#ifndef POLICY_SCHEMA_H
#define POLICY_SCHEMA_H

#include "reading.h"
#include "role.h"

/* A check has three answers; "cannot tell" is never a pass. */
enum finding { FINDING_UNSURE = -1, FINDING_REFUSE = 0, FINDING_PASS = 1 };

/* ---- query parameters ---------------------------------------------------------------------- */

enum param_type {
    PARAM_TEXT,
    PARAM_BOOL,
    PARAM_INT,
    PARAM_LIST, /* may be repeated: the daemon reads a list */
};

struct check;

struct param_row {
    enum operation op;
    const char *name;
    enum param_type type;
    /* NULL: harmless. Else called when the parameter is present and not empty. */
    enum finding (*check)(struct check *check, struct str value);
    bool opened_only; /* refused unless the role's open has "Operation?name" */
    bool secret;      /* never in the audit log */
    const char *note; /* what it gives, or why it is harmless */
};

extern const struct param_row param_rows[];
extern const size_t param_rows_count;
/* The row, or NULL: the operation has no such parameter. Exact spelling, as Go compares. */
const struct param_row *param_find(enum operation op, struct str name);
/* The value of a parameter of the request; p NULL when absent. */
struct str request_param(const struct request *request, const char *name);
/* Empty, 0, no, false or none in any case: what the daemon takes as false. */
bool param_false(struct str value);

/* ---- body fields --------------------------------------------------------------------------- */

enum field_type {
    T_BOOL,
    T_INT,
    T_NUMBER,
    T_STRING,
    T_STRINGS,      /* array of string */
    T_STRSLICE,     /* array of string, or a bare string that means one element */
    T_INTS,         /* array of int */
    T_STRING_LISTS, /* array of array of string */
    T_OBJECT,       /* struct: its members are the deeper rows that follow */
    T_OBJECTS,      /* array of struct */
    T_MAP_STRING,   /* map: any names, values string */
    T_MAP_EMPTY,    /* map: any names, values {} */
    T_MAP_OBJECT,   /* map: any names, values struct */
    T_MAP_OBJECTS,  /* map: any names, values array of struct */
    T_EMBEDDED,     /* what the like-named member of the top-level HostConfig is: old daemons read
                       those members at the top level too */
};

enum field_mark {
    HARMLESS = 1, /* gives no power beyond the operation; the note says why */
    GOVERNED,     /* its check and the key named in the check decide */
    OPENED,       /* refused when not empty unless the role's open names it */
    STRUCTURE,    /* only holds deeper rows */
};

struct field {
    int depth;        /* 1: top level; members of a row are the deeper rows behind it */
    const char *name; /* exact spelling */
    enum field_type type;
    enum field_mark mark;
    /* GOVERNED: judges the value, which has the row's type. Not called for an empty value unless
       sees_empty. */
    enum finding (*check)(struct check *check, const struct json_node *value);
    bool sees_empty;
    bool secret;      /* its value is never shown or logged */
    const char *note; /* what it would give away, or why it is harmless */
};

/* Where a body that describes a container keeps what more than one check looks at: the body of
   ContainerCreate and that of a service hold the same things in other places. */
enum place {
    PLACE_IMAGE,
    PLACE_USER,
    PLACE_LABELS,
    PLACE_CAP_DROP,
    PLACE_SECURITY_OPT,
    PLACE_READ_ONLY,
    PLACE_NETWORK_MODE,
    PLACE_RUNTIME,
    PLACE_LOG_TYPE,
    PLACE_VOLUME_DRIVER,
    PLACE_RESTART,
    PLACE_MEMORY,
    PLACE_CPUS,
    PLACE_CPU_QUOTA,
    PLACE_CPU_PERIOD,
    PLACE_PIDS_LIMIT,
    PLACE_SHM_SIZE,
    PLACE_COUNT
};

struct body_schema {
    enum operation op;
    const struct field *fields;
    size_t count;
    /* T_OBJECT, or a list: T_OBJECTS of structs, T_STRINGS of texts that the first row describes */
    enum field_type root;
    bool optional;             /* no body, and null, pass: they ask for nothing */
    const char *const *places; /* dotted path of each enum place, NULL where the body has none;
                                  NULL for bodies that describe no container */
    /* Judged once the whole body is read: requirements, and fields that depend on each other. */
    enum finding (*whole)(struct check *check);
};

/* NULL: the operation has no JSON body. A test sees to it that all others are here. */
const struct body_schema *schema_find(enum operation op);

/* ---- what a check sees --------------------------------------------------------------------- */

struct learning;
struct looked;

struct check {
    const struct role *role;
    const struct request *request;
    const struct json *body; /* NULL while parameters are judged */
    struct arena *arena;
    struct decision *decision;
    struct facts *facts;       /* NULL: nothing can be asked */
    struct looked *looked;     /* what this decision has made of each of them; see facts.h */
    struct readings *read;     /* what was read for this request */
    struct reading *reading;   /* of body */
    bool waits;                /* a fact is wanted: what passes, passes for now */
    const struct check *outer; /* not NULL: an existing object is judged as if it were to be
                                  created, for the request of that check */
    struct str subject;        /* that object, as the request names it */
    enum fact_kind subject_kind;
    struct str made_of;               /* ID of the image of a container that exists */
    const struct json *update;        /* of a ContainerUpdate: its body; else NULL */
    struct work *work;                /* what comparing may still cost; NULL: unbound */
    const struct body_schema *schema; /* of the body; NULL without one */
    size_t row;                       /* of schema->fields: the field being judged */
    const struct json_node *at; /* value being judged: its path is written only when refused */
    const char *field;          /* without at: what is judged, e.g. "?name"; may be NULL */
    struct learning *learning;  /* what is refused is noted, and opened; NULL: it is refused */
    bool mounts_read_only;      /* of the bind being judged: an entry for such would do */
};

/* Fills the decision: status 403, field (the path of check->at, else check->field), value
   (shortened), rule, and what would allow it (`"containers": {"privileged": true}`). why: the verb
   of the sentence that begins with the field, e.g. "is not in containers.cap_add". Always returns
   FINDING_REFUSE; the first refusal of a decision wins. */
enum finding refuse(struct check *check, enum key key, struct str value, const char *why, ...)
    PRINTF_LIKE(4, 5);
/* Without a key: things that no policy of this version can allow, or that `open` allows. rule and
   allow_with may be NULL; without a field, why is the whole sentence. */
enum finding refuse_plain(struct check *check, struct str value, const char *rule,
                          const char *allow_with, const char *why, ...) PRINTF_LIKE(5, 6);
/* What could be understood in two ways: status 400, close. why is the whole sentence. */
bool refuse_malformed(struct decision *decision, const char *field, struct str value,
                      const char *why, ...) PRINTF_LIKE(4, 5);

static inline const struct constraint *check_key(const struct check *check, enum key key)
{
    return &check->role->keys[key];
}

/* Is "Operation?name" or "Operation:field" in the role's open? List indexes are left out:
   "HostConfig.Mounts[].BindOptions". */
bool role_opens(const struct role *role, enum operation op, char separator, const char *path);

/* The body's node at a dotted path of exact names ("HostConfig.Memory"), or NULL. Objects only. */
const struct json_node *body_at(const struct check *check, const char *path);

/* The dotted path of a place in the body being judged; NULL: the body has no such place. */
const char *place_path(const struct check *check, enum place place);
/* The body's node there, or NULL. */
const struct json_node *place_node(const struct check *check, enum place place);

/* Walks the whole body by the schema: types, unknown and look-alike names, null elements, then
   each row's check. Of a body that was walked through before, only what depends on the role. */
enum finding body_walk(struct check *check, const struct body_schema *schema);

#endif
