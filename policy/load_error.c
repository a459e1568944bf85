/* Errors and warnings of one run of the loader: their place, their number, and the words that they
   share. */
#include "load.h"

#include <stdarg.h>
#include <stdio.h>

char *quoted(char dst[QUOTED_MAX], struct str text)
{
    char inner[QUOTED_MAX - 2];
    text_shorten(inner, sizeof inner, text);
    snprintf(dst, QUOTED_MAX, "\"%s\"", inner);
    return dst;
}

char *hint_of(char dst[HINT_MAX], const struct nearest *nearest)
{
    char name[QUOTED_MAX];
    dst[0] = '\0';
    if (nearest->best.p)
        snprintf(dst, HINT_MAX, "; did you mean %s?", quoted(name, nearest->best));
    return dst;
}

const char *kind_name(const struct json_node *node)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",        [JSON_FALSE] = "false", [JSON_TRUE] = "true",
        [JSON_NUMBER] = "a number",  [JSON_STRING] = "text", [JSON_ARRAY] = "a list",
        [JSON_OBJECT] = "an object",
    };
    return names[node->kind];
}

static void add(struct loader *loader, bool warning, uint32_t offset, const char *format,
                va_list args) PRINTF_LIKE(4, 0);
static void add(struct loader *loader, bool warning, uint32_t offset, const char *format,
                va_list args)
{
    char text[sizeof((struct err *)0)->text];
    int line = 0, column = 0;
    if (load_errors_shown(loader) && loader->doc)
        json_place(loader->doc, offset, &line, &column);
    vsnprintf(text, sizeof text, format, args);
    if (loader->builtin)
        err_list_add(loader->errors, warning, 0, 0, "built-in role %s, line %d, column %d: %s",
                     loader->builtin, line, column, text);
    else
        err_list_add(loader->errors, warning, line, column, "%s", text);
}

void load_error(struct loader *loader, uint32_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(loader, false, offset, format, args);
    va_end(args);
    loader->error_count++;
}

void load_warning(struct loader *loader, uint32_t offset, const char *format, ...)
{
    if (loader->warning_count >= POLICY_ERRORS_MAX)
        return;
    va_list args;
    va_start(args, format);
    add(loader, true, offset, format, args);
    va_end(args);
    loader->warning_count++;
}

void load_no_memory(struct loader *loader)
{
    const struct json *doc = loader->doc;
    loader->doc = NULL; /* no place in the text is to blame */
    load_error(loader, 0, "out of memory while loading the policy");
    loader->doc = doc;
}

bool load_errors_shown(const struct loader *loader)
{
    return loader->error_count < POLICY_ERRORS_MAX;
}

bool load_expect(struct loader *loader, const struct json_node *node, enum json_kind kind,
                 const char *what, const char *wanted)
{
    if (node->kind == kind)
        return true;
    load_error(loader, node->offset, "%s expects %s, got %s", what, wanted, kind_name(node));
    return false;
}

bool load_description(struct loader *loader, const struct json_node *member)
{
    if (!str_is(member->key, "description"))
        return false;
    load_expect(loader, member, JSON_STRING, "description", "text");
    return true;
}
