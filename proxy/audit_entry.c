/* Reading audit logs; see audit_entry.h. */
#include "audit_entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- a line ---------------------------------------------------------------------------------- */

static struct str text_of(const struct json *doc, const struct json_node *object, const char *name)
{
    const struct json_node *node = json_get(doc, object, str_of(name));
    return node && node->kind == JSON_STRING ? node->text : (struct str){NULL, 0};
}

static enum operation operation_of(struct str name)
{
    for (unsigned op = 0; op < OP_COUNT; op++)
        if (str_is(name, operation_name((enum operation)op)))
            return (enum operation)op;
    return OP_COUNT;
}

static void read_peer(const struct json *doc, const struct json_node *peer, struct audit_entry *out)
{
    const struct json_node *uid = json_get(doc, peer, STR("uid"));
    const struct json_node *gid = json_get(doc, peer, STR("gid"));
    out->has_uid = uid && json_int(uid, &out->uid) && out->uid >= 0 && out->uid < UINT32_MAX;
    if (!gid || !json_int(gid, &out->gid) || out->gid < 0 || out->gid > UINT32_MAX)
        out->gid = UINT32_MAX; /* nobody's */
    out->address = text_of(doc, peer, "address");
    out->cert_cn = text_of(doc, peer, "cert_cn");
    out->cert_spki = text_of(doc, peer, "cert_spki");
    out->container_name = text_of(doc, peer, "container_name");
    out->compose_project = text_of(doc, peer, "compose_project");
    out->compose_service = text_of(doc, peer, "compose_service");
}

static void read_fields(const struct json *doc, struct audit_entry *out)
{
    const struct json_node *root = doc->nodes;
    const struct json_node *would_deny = json_get(doc, root, STR("would_deny"));
    const struct json_node *uses = json_get(doc, root, STR("uses"));
    out->op = operation_of(text_of(doc, root, "operation"));
    out->allow = str_is(text_of(doc, root, "decision"), "allow");
    out->would_deny = would_deny && would_deny->kind == JSON_TRUE;
    out->time = text_of(doc, root, "time");
    out->client = text_of(doc, root, "client");
    out->role = text_of(doc, root, "role");
    out->listener = text_of(doc, root, "listener");
    out->reason = text_of(doc, root, "reason");
    out->field = text_of(doc, root, "field");
    out->rule = text_of(doc, root, "rule");
    out->uses = uses && uses->kind == JSON_OBJECT ? uses : NULL;
    out->uses_lack = text_of(doc, root, "uses_lack");
    read_peer(doc, json_get(doc, root, STR("peer")), out);
}

enum audit_line audit_entry_read(struct str line, struct arena *arena, struct audit_entry *out)
{
    struct err err = {0};
    *out = (struct audit_entry){.op = OP_COUNT};
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (!json_scan(line, arena, &out->doc, &err) || out->doc.count == 0 ||
        out->doc.nodes[0].kind != JSON_OBJECT)
        return AUDIT_LINE_BAD;
    struct str record = text_of(&out->doc, out->doc.nodes, "record");
    if (!record.p)
        return AUDIT_LINE_BAD;
    if (!str_is(record, "request"))
        return AUDIT_LINE_OTHER;
    read_fields(&out->doc, out);
    return AUDIT_LINE_REQUEST;
}

/* ---- uses ------------------------------------------------------------------------------------ */

static const char *key_of(struct str name)
{
    static const char *const others[] = {"open", "archive"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_is(name, others[i]))
            return others[i];
    for (size_t i = 0; policy_key(i); i++)
        if (str_is(name, policy_key(i)))
            return policy_key(i);
    return NULL;
}

static bool read_use(const struct json *doc, const struct json_node *node, struct use *out)
{
    const struct json_node *read_only = json_get(doc, node, STR("read_only"));
    *out = (struct use){.key = out->key};
    if (node->kind == JSON_TRUE)
        return true;
    out->value = node->kind == JSON_OBJECT ? text_of(doc, node, "source") : node->text;
    out->read_only = read_only && read_only->kind == JSON_TRUE;
    if (node->kind != JSON_STRING && node->kind != JSON_OBJECT)
        out->value.p = NULL;
    return out->value.p && out->value.n <= USE_TEXT_MAX;
}

bool audit_entry_use(const struct audit_entry *entry, struct audit_use_at *at, struct use *out)
{
    const struct json *doc = &entry->doc;
    while (entry->uses) {
        if (!at->key)
            at->key = json_child(doc, entry->uses);
        else if (!at->item || !(at->item = json_next(doc, at->item)))
            at->key = json_next(doc, at->key);
        if (!at->key)
            return false;
        if (!at->item && at->key->kind == JSON_ARRAY && !(at->item = json_child(doc, at->key)))
            continue;
        out->key = key_of(at->key->key);
        if (out->key && read_use(doc, at->item ? at->item : at->key, out))
            return true;
    }
    return false;
}

/* ---- files ----------------------------------------------------------------------------------- */

enum { BAD_SHOWN = 3, BUFFER_BYTES = 2 * AUDIT_LINE_MAX };

struct reader {
    const char *path;
    FILE *file;
    char *buffer;
    size_t length;
    bool skips; /* the rest of a line that is too long */
    struct arena arena;
    void (*take)(void *arg, const struct audit_entry *entry);
    void *arg;
    struct audit_reading *reading;
};

static void tell_bad(const struct reader *reader, const char *why)
{
    if (reader->reading->bad <= BAD_SHOWN)
        fprintf(stderr, "sockwarden: %s:%llu: %s\n", reader->path,
                (unsigned long long)reader->reading->lines, why);
}

static void take_line(struct reader *reader, struct str line, bool whole)
{
    struct audit_entry entry;
    arena_reset(&reader->arena);
    reader->reading->lines++;
    if (line.n == 0)
        return;
    switch (audit_entry_read(line, &reader->arena, &entry)) {
    case AUDIT_LINE_REQUEST:
        reader->reading->requests++;
        entry.line = reader->reading->lines;
        reader->take(reader->arg, &entry);
        break;
    case AUDIT_LINE_OTHER:
        break;
    case AUDIT_LINE_BAD:
        reader->reading->torn |= !whole;
        reader->reading->bad += whole;
        if (whole)
            tell_bad(reader, "is no audit line, and left out");
        break;
    }
}

/* Takes the whole lines of the buffer, and keeps the beginning of the next. */
static void take_lines(struct reader *reader)
{
    struct str rest = {reader->buffer, reader->length};
    for (size_t n = str_find(rest, '\n'); n < rest.n; n = str_find(rest, '\n')) {
        if (!reader->skips)
            take_line(reader, str_head(rest, n), true);
        reader->skips = false;
        rest = str_skip(rest, n + 1);
    }
    if (rest.n > AUDIT_LINE_MAX) {
        if (!reader->skips) {
            reader->reading->lines++;
            reader->reading->bad++;
            tell_bad(reader, "is longer than any audit line, and left out");
        }
        reader->skips = true;
        rest.n = 0;
    }
    memmove(reader->buffer, rest.p, rest.n);
    reader->length = rest.n;
}

static bool read_lines(struct reader *reader)
{
    for (;;) {
        size_t n =
            fread(reader->buffer + reader->length, 1, BUFFER_BYTES - reader->length, reader->file);
        reader->length += n;
        take_lines(reader);
        if (n > 0)
            continue;
        if (reader->length > 0 && !reader->skips)
            take_line(reader, (struct str){reader->buffer, reader->length}, false);
        return ferror(reader->file) == 0;
    }
}

void audit_reading_tell(const char *path, const struct audit_reading *reading)
{
    if (reading->torn)
        fprintf(stderr, "sockwarden: %s: the last line is not whole, and left out\n", path);
    if (reading->bad)
        fprintf(stderr, "sockwarden: %s: %llu of %llu lines are none of an audit log\n", path,
                (unsigned long long)reading->bad, (unsigned long long)reading->lines);
}

bool audit_file_read(const char *path, void (*take)(void *arg, const struct audit_entry *entry),
                     void *arg, struct audit_reading *reading, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    struct reader reader = {.path = path, .take = take, .arg = arg, .reading = reading};
    *reading = (struct audit_reading){.lines = 0};
    reader.file = standard ? stdin : fopen(path, "re");
    if (!reader.file)
        return err_set(err, 0, 0, "cannot read %s: %s", path, strerror(errno));
    reader.buffer = malloc(BUFFER_BYTES);
    bool ok = reader.buffer ? read_lines(&reader) : err_set(err, 0, 0, "out of memory");
    if (!ok)
        err_set(err, 0, 0, "cannot read %s: %s", path, strerror(errno));
    free(reader.buffer);
    arena_free(&reader.arena);
    if (!standard)
        fclose(reader.file);
    return ok;
}
