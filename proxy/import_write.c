/* The text of an imported policy, laid out for people; see import.h. */
#include "import.h"

#include <stdarg.h>
#include <stdio.h>

enum { COLUMNS = 96, MARGIN = 6 };

struct text {
    struct json_out out; /* len counts on beyond cap, so that a second pass has room */
};

static void put(struct text *text, const char *words)
{
    json_out_raw(&text->out, str_of(words));
    text->out.comma = false;
}

static void put_str(struct text *text, struct str value)
{
    text->out.comma = false;
    json_out_str(&text->out, value);
    text->out.comma = false;
}

static void put_raw(struct text *text, struct str json)
{
    json_out_raw(&text->out, json);
    text->out.comma = false;
}

static void put_number(struct text *text, int value)
{
    text->out.comma = false;
    json_out_int(&text->out, value);
    text->out.comma = false;
}

static void put_allow(struct text *text, const struct import_role *role)
{
    size_t column = MARGIN;
    bool first = true;
    put(text, "      \"allow\": [");
    for (enum operation op = 0; op < OP_COUNT; op++) {
        if (!role->allow[op])
            continue;
        struct str name = str_of(operation_name(op));
        bool breaks = first || column + name.n + 4 > COLUMNS;
        put(text, first ? "" : ",");
        put(text, breaks ? "\n        " : " ");
        column = breaks ? MARGIN + 2 + name.n + 3 : column + name.n + 4;
        put_str(text, name);
        first = false;
    }
    put(text, first ? "]" : "\n      ]");
}

static void put_key(struct text *text, const char *name, const char *between)
{
    put_str(text, str_of(name));
    put(text, between);
}

static bool leads_group(const struct import_role *role, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(role->keys[i].group, role->keys[at].group) == 0)
            return false;
    return true;
}

static void put_groups(struct text *text, const struct import_role *role)
{
    for (size_t at = 0; at < role->key_count; at++) {
        if (!leads_group(role, at))
            continue;
        put(text, ",\n      ");
        put_key(text, role->keys[at].group, ": {");
        for (size_t i = at, n = 0; i < role->key_count; i++) {
            if (strcmp(role->keys[i].group, role->keys[at].group) != 0)
                continue;
            put(text, n++ ? ",\n        " : "\n        ");
            put_key(text, role->keys[i].name, ": ");
            put_raw(text, role->keys[i].json);
        }
        put(text, "\n      }");
    }
}

static void put_api(struct text *text, const struct import_role *role)
{
    if (role->api_max == 0)
        return;
    put(text, ",\n      \"api\": {\"min\": \"1.");
    put_number(text, role->api_min);
    put(text, "\", \"max\": \"1.");
    put_number(text, role->api_max);
    put(text, "\"}");
}

static void put_role(struct text *text, const struct import_role *role)
{
    put(text, "    ");
    put_str(text, role->name);
    put(text, ": {\n");
    if (role->gist) {
        put(text, "      \"description\": ");
        put_str(text, str_of(role->gist));
        put(text, ",\n");
    }
    put_allow(text, role);
    put(text, ",\n      \"existing\": \"any\"");
    put_api(text, role);
    put_groups(text, role);
    if (role->owner_label.p) {
        put(text, ",\n      \"owner\": {\"label\": ");
        put_str(text, role->owner_label);
        put(text, ", \"value\": ");
        put_str(text, role->owner_value);
        put(text, "}");
    }
    put(text, "\n    }");
}

static void put_client(struct text *text, const struct import_client *client)
{
    put(text, "    {\"name\": ");
    put_str(text, client->name);
    put(text, ", \"match\": {");
    for (size_t i = 0; i < client->trait_count; i++) {
        put(text, i ? ", " : "");
        put_key(text, client->traits[i].key, ": ");
        put_raw(text, client->traits[i].json);
    }
    put(text, "}, \"role\": ");
    put_str(text, client->role);
    put(text, "}");
}

static void put_policy(struct text *text, const struct import *import)
{
    put(text, "{\n  \"version\": 1,\n");
    for (size_t i = 0; i < import->client_count; i++) {
        put(text, i ? ",\n" : "  \"clients\": [\n");
        put_client(text, &import->clients[i]);
    }
    put(text, import->client_count ? "\n  ],\n" : "");
    put(text, "  \"roles\": {\n");
    for (size_t i = 0; i < import->role_count; i++) {
        put(text, i ? ",\n" : "");
        put_role(text, &import->roles[i]);
    }
    put(text, "\n  }\n}\n");
}

struct str import_write(struct import *import)
{
    struct text text = {.out = {.p = NULL}};
    put_policy(&text, import);
    size_t cap = text.out.len;
    char *p = arena_alloc(&import->arena, cap, 1);
    if (!p)
        return (struct str){NULL, 0};
    text.out = (struct json_out){.p = p, .cap = cap};
    put_policy(&text, import);
    return (struct str){p, text.out.len};
}
