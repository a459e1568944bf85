/* Reading audit logs, for the commands that learn from them: a line at a time, whatever its file's
   size. Nothing is checked of the chain; that is `audit verify`. */
#ifndef PROXY_AUDIT_ENTRY_H
#define PROXY_AUDIT_ENTRY_H

#include "err.h"
#include "policy.h"

enum { AUDIT_LINE_MAX = 256 << 10 /* bytes; sockwarden's own are below 32 KiB */ };

/* What a decided request's line says. Texts are borrowed from the line or the arena; p NULL: not
   there. */
struct audit_entry {
    enum operation op; /* OP_COUNT: of none that this version knows */
    bool allow, would_deny;
    struct str time, client, role, listener, reason, field, rule;
    uint64_t line; /* of its file, from 1 */
    bool has_uid;
    int64_t uid, gid;
    struct str address, cert_cn, cert_spki, container_name, compose_project, compose_service;
    struct json doc;
    const struct json_node *uses; /* an object, or NULL */
    struct str uses_lack;
};

enum audit_line {
    AUDIT_LINE_REQUEST, /* out is filled */
    AUDIT_LINE_OTHER,   /* an audit line of another record: refused, end, lost, torn */
    AUDIT_LINE_BAD      /* none */
};

/* One line without its newline. */
enum audit_line audit_entry_read(struct str line, struct arena *arena, struct audit_entry *out);

/* The uses of an entry, one by one: false behind the last, or when what is there is none that this
   version writes. *at begins as zeroed. The key is the policy's own text. */
struct audit_use_at {
    const struct json_node *key, *item;
};
bool audit_entry_use(const struct audit_entry *entry, struct audit_use_at *at, struct use *out);

struct audit_reading {
    uint64_t lines, requests, bad;
    bool torn; /* a last line without its end was left out */
};

/* Says on standard error what of the file was left out. */
void audit_reading_tell(const char *path, const struct audit_reading *reading);

/* Calls take for each decided request of a file, "-" for standard input. The first lines that are
   none of an audit log are told on standard error. False: it cannot be read; err says why. */
bool audit_file_read(const char *path, void (*take)(void *arg, const struct audit_entry *entry),
                     void *arg, struct audit_reading *reading, struct err *err);

#endif
