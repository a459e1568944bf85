/* What the readers of other proxies' configurations share: roles, clients and notes; see import.h.
   What a configuration means is for the readers. */
#include "import.h"

#include <stdarg.h>
#include <stdio.h>

enum { MEMORY_MAX = 96 << 20, LINES_MAX = 4096 };

void import_open(struct import *import)
{
    memset(import, 0, sizeof(*import));
    import->arena.limit = MEMORY_MAX;
    import->notes_end = &import->notes;
}

void import_free(struct import *import)
{
    arena_free(&import->arena);
}

bool import_note(struct import *import, enum import_gravity gravity, int line, const char *format,
                 ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct import_note *note = arena_alloc(&import->arena, 1, sizeof(*note));
    struct str copy = arena_copy(&import->arena, str_of(text));
    import->wrong |= gravity == IMPORT_WRONG || !note || !copy.p;
    if (!note || !copy.p)
        return false;
    *note = (struct import_note){.gravity = gravity, .line = line, .text = copy.p};
    *import->notes_end = note;
    import->notes_end = &note->next;
    return false;
}

struct import_role *import_add_role(struct import *import, struct str name, const char *gist,
                                    int line)
{
    if (import->role_count == IMPORT_ROLES_MAX) {
        import_note(import, IMPORT_WRONG, line, "more than %d roles are not read",
                    IMPORT_ROLES_MAX);
        return NULL;
    }
    struct import_role *role = &import->roles[import->role_count++];
    *role = (struct import_role){.name = name, .gist = gist};
    return role;
}

static bool has_client(const struct import *import, struct str name)
{
    for (size_t i = 0; i < import->client_count; i++)
        if (str_eq(import->clients[i].name, name))
            return true;
    return false;
}

/* Names of clients are theirs alone: "ci", "ci 2". */
static struct str own_name(struct import *import, struct str name)
{
    char number[16];
    struct str own = name;
    for (int i = 2; own.p && has_client(import, own); i++) {
        snprintf(number, sizeof(number), " %d", i);
        own = arena_join(&import->arena, (const struct str[]){name, str_of(number)}, 2);
    }
    import->wrong |= !own.p;
    return own;
}

struct import_client *import_add_client(struct import *import, struct str name, struct str role,
                                        int line)
{
    if (import->client_count == IMPORT_CLIENTS_MAX) {
        import_note(import, IMPORT_WRONG, line, "more than %d clients are not read",
                    IMPORT_CLIENTS_MAX);
        return NULL;
    }
    struct str own = own_name(import, name);
    struct import_client *client = &import->clients[import->client_count++];
    *client = (struct import_client){.name = own, .role = role};
    return client;
}

void import_set_key(struct import *import, struct import_role *role, const char *group,
                    const char *name, struct str json)
{
    for (size_t i = 0; i < role->key_count; i++)
        if (strcmp(role->keys[i].group, group) == 0 && strcmp(role->keys[i].name, name) == 0) {
            role->keys[i].json = json;
            return;
        }
    import->wrong |= role->key_count == IMPORT_KEYS_MAX || !json.p;
    if (role->key_count < IMPORT_KEYS_MAX)
        role->keys[role->key_count++] = (struct import_key){group, name, json};
}

void import_set_trait(struct import *import, struct import_client *client, const char *key,
                      struct str json)
{
    import->wrong |= client->trait_count == IMPORT_TRAITS_MAX || !json.p;
    if (client->trait_count == IMPORT_TRAITS_MAX)
        return;
    client->traits[client->trait_count].key = key;
    client->traits[client->trait_count++].json = json;
}

struct str import_list(struct import *import, const struct str *items, size_t count)
{
    size_t cap = 4;
    for (size_t i = 0; i < count; i++)
        cap += items[i].n * 6 + 3;
    char *p = arena_alloc(&import->arena, cap, 1);
    if (!p)
        return (struct str){NULL, 0};
    struct json_out out = {.p = p, .cap = cap};
    json_out_open(&out, '[');
    for (size_t i = 0; i < count; i++)
        json_out_str(&out, items[i]);
    json_out_close(&out, ']');
    return (struct str){p, out.len};
}

bool import_is_folder(struct str path)
{
    bool good = path.n > 1 && path.p[0] == '/' && path.p[path.n - 1] != '/';
    for (size_t i = 0; i < path.n && good; i++)
        good = path.p[i] > ' ' && path.p[i] < 0x7f && !strchr("*?\\", path.p[i]);
    for (struct str rest = str_skip(path, 1); rest.n > 0 && good;) {
        struct str part = str_head(rest, str_find(rest, '/'));
        rest = str_skip(rest, part.n + 1);
        good = part.n > 0 && !str_is(part, ".") && !str_is(part, "..");
    }
    return good;
}

struct str import_folders(struct import *import, const struct str *folders, size_t count)
{
    struct str globs[IMPORT_FOLDERS_MAX];
    for (size_t i = 0; i < count; i++)
        globs[i] = arena_join(&import->arena, (const struct str[]){folders[i], STR("/**")}, 2);
    return import_list(import, globs, count);
}

/* ---- settings ------------------------------------------------------------------------------ */

const struct import_setting *import_find(const struct import_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->count; i++)
        if (str_is(settings->items[i].name, name))
            return &settings->items[i];
    return NULL;
}

static bool is_name(struct str name)
{
    bool good = name.n > 0 && !ascii_digit(name.p[0]);
    for (size_t i = 0; i < name.n && good; i++)
        good = (name.p[i] >= 'A' && name.p[i] <= 'Z') || ascii_digit(name.p[i]) || name.p[i] == '_';
    return good;
}

bool import_take_environment(struct import *import, char **environment, struct import_settings *out)
{
    size_t count = 0;
    while (environment[count])
        count++;
    *out = (struct import_settings){
        .items = arena_alloc(&import->arena, count + 1, sizeof(*out->items))};
    if (!out->items)
        return import_note(import, IMPORT_WRONG, 0, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct str entry = str_of(environment[i]);
        size_t equals = str_find(entry, '=');
        struct str name = str_head(entry, equals);
        if (equals < entry.n && is_name(name))
            out->items[out->count++] =
                (struct import_setting){name, str_skip(entry, equals + 1), 0};
    }
    return true;
}

/* The next line of *text without its end, and what is left. */
static struct str take_line(struct str *text)
{
    struct str line = str_head(*text, str_find(*text, '\n'));
    *text = str_skip(*text, line.n + 1);
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return str_trim(line);
}

/* Quotes around the whole belong to the file; what stands behind them may be a remark only. False:
   something else stands there, or the quote has no end. */
static bool unquote(struct str *value)
{
    if (value->n == 0 || (value->p[0] != '"' && value->p[0] != '\'')) {
        for (size_t i = 1; i < value->n; i++)
            if (value->p[i] == '#' && (value->p[i - 1] == ' ' || value->p[i - 1] == '\t'))
                *value = str_trim(str_head(*value, i));
        return true;
    }
    struct str inner = str_skip(*value, 1);
    size_t end = str_find(inner, value->p[0]);
    struct str behind = str_trim(str_skip(inner, end + 1));
    if (end == inner.n || (behind.n && behind.p[0] != '#') ||
        (value->p[0] == '"' && str_find(str_head(inner, end), '\\') < end &&
         str_find(str_head(inner, end), '"') < end))
        return false;
    *value = str_head(inner, end);
    return true;
}

static size_t count_lines(struct str text)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    return lines;
}

static bool open_settings(struct import *import, struct str text, struct import_settings *out)
{
    size_t lines = count_lines(text);
    *out = (struct import_settings){.items = NULL};
    if (lines > LINES_MAX)
        return import_note(import, IMPORT_WRONG, 0, "more than %d lines are not read", LINES_MAX);
    out->items = arena_alloc(&import->arena, lines, sizeof(*out->items));
    return out->items || import_note(import, IMPORT_WRONG, 0, "out of memory");
}

/* `- item` of a YAML list is its item. */
static struct str list_item(struct str line)
{
    bool item = line.n > 1 && line.p[0] == '-' && (line.p[1] == ' ' || line.p[1] == '\t');
    return item ? str_trim(str_skip(line, 1)) : line;
}

static bool add_setting(struct import *import, struct import_settings *out, struct str name,
                        struct str value, int line)
{
    for (size_t i = 0; i < out->count; i++)
        if (str_eq(out->items[i].name, name))
            return import_note(import, IMPORT_WRONG, line, "%.*s is given twice, first in line %d",
                               STR_ARG(name), out->items[i].line);
    out->items[out->count++] = (struct import_setting){name, value, line};
    return true;
}

/* `export NAME=value`, `NAME=value`, `NAME: value`, and the first two in quotes as a list's item.
 */
static bool read_setting(struct import *import, struct str line, int number,
                         struct import_settings *out)
{
    struct str item = list_item(line), value;
    bool listed = item.p != line.p;
    char shown[64];
    if (str_starts(item, STR("export ")))
        item = str_trim(str_skip(item, 7));
    if (listed && !unquote(&item))
        item.n = 0;
    size_t equals = str_find(item, '='), colon = str_find(item, ':');
    bool mapped = !listed && colon < equals;
    struct str name = str_trim(str_head(item, mapped ? colon : equals));
    if ((mapped ? colon : equals) == item.n || !is_name(name))
        return import_note(import, IMPORT_WRONG, number, "%s is no NAME=value",
                           text_shorten(shown, sizeof(shown), line));
    value = str_trim(str_skip(item, name.n));
    value = str_trim(str_skip(value, 1));
    if (!unquote(&value))
        return import_note(import, IMPORT_WRONG, number,
                           "the value of %.*s is quoted in a way "
                           "that is not understood",
                           STR_ARG(name));
    return add_setting(import, out, name, value, number);
}

bool import_read_settings(struct import *import, struct str text, struct import_settings *out)
{
    if (!open_settings(import, text, out))
        return false;
    bool good = true;
    for (int number = 1; text.n > 0; number++) {
        struct str line = take_line(&text);
        if (line.n > 0 && line.p[0] != '#')
            good &= read_setting(import, line, number, out);
    }
    return good;
}

/* A flag may be given more than once; its name is kept with the dash. */
static bool read_flag(struct import *import, struct str line, int number,
                      struct import_settings *out)
{
    struct str item = list_item(line);
    char shown[64];
    if (!unquote(&item) || item.n == 0 || item.p[0] != '-')
        return read_setting(import, line, number, out);
    if (item.n > 1 && item.p[1] == '-')
        item = str_skip(item, 1);
    struct str name = str_head(item, str_find(item, '='));
    struct str value = str_skip(item, name.n + 1);
    if (!unquote(&value) || str_find(value, ' ') < value.n || str_find(name, ' ') < name.n)
        return import_note(import, IMPORT_WRONG, number,
                           "%s holds a blank: write one -flag=value "
                           "a line",
                           text_shorten(shown, sizeof(shown), line));
    out->items[out->count++] = (struct import_setting){name, value, number};
    return true;
}

bool import_read_flags(struct import *import, struct str text, struct import_settings *out)
{
    if (!open_settings(import, text, out))
        return false;
    bool good = true;
    for (int number = 1; text.n > 0; number++) {
        struct str line = take_line(&text);
        if (line.n > 0 && line.p[0] != '#')
            good &= read_flag(import, line, number, out);
    }
    return good;
}
