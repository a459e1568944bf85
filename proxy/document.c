/* Reads a JSON file of a person and tells what is wrong with it; see document.h. */
#include "document.h"

#include "cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool document_read(const char *path, size_t max, struct arena *arena, struct document *out)
{
    struct err err = {.set = false};
    *out = (struct document){.path = path};
    out->text = file_read(path, max, &out->length, &err);
    if (!out->text)
        return cmd_fail(false, "%s", err.text);
    if (json_scan((struct str){out->text, out->length}, arena, &out->json, &err))
        return true;
    fprintf(stderr, "%s:%d:%d: %s%s\n", path, err.line, err.column, err.text,
            policy_syntax_remedy((struct str){out->text, out->length}, &err));
    return false;
}

void document_free(struct document *document)
{
    free(document->text);
}

bool document_fault(struct document *document, uint32_t offset, const char *format, ...)
{
    int line = 0, column = 0;
    va_list args;
    json_place(&document->json, offset, &line, &column);
    fprintf(stderr, "%s:%d:%d: ", document->path, line, column);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    document->errors++;
    return false;
}

bool document_unknown(struct document *document, const struct json_node *member, const char *where,
                      const struct nearest *nearest)
{
    char shown[64];
    text_shorten(shown, sizeof(shown), member->key);
    if (nearest->best.p)
        return document_fault(document, member->key_offset,
                              "unknown key \"%s\" in %s; did you mean \"%.*s\"?", shown, where,
                              STR_ARG(nearest->best));
    return document_fault(document, member->key_offset, "unknown key \"%s\" in %s", shown, where);
}

bool document_expects(struct document *document, const struct json_node *node, const char *name,
                      int kind)
{
    static const char *const kinds[] = {
        [JSON_NULL] = "null",        [JSON_FALSE] = "false", [JSON_TRUE] = "true",
        [JSON_NUMBER] = "a number",  [JSON_STRING] = "text", [JSON_ARRAY] = "a list",
        [JSON_OBJECT] = "an object",
    };
    return kind == DOCUMENT_ANY_KIND || (int)node->kind == kind ||
           document_fault(document, node->offset, "\"%s\" wants %s, and this is %s", name,
                          kinds[kind], kinds[node->kind]);
}
