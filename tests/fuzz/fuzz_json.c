/* libFuzzer target for the strict scan. Its nodes must be consistent, and whatever it accepts cJSON
   must accept and read in the same way. One known difference is left out: cJSON 1.7.15 reads a
   number through a buffer of 64 bytes and refuses longer ones. Values of numbers are not compared,
   since cJSON holds doubles. */
#include "json.h"
#include "bounds.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CJSON_NUMBER_MAX = 63 };

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Offsets in order, links forward, children counted and linked to their parent. */
static void check_node(const struct json *doc, uint32_t index)
{
    const struct json_node *node = &doc->nodes[index];
    must(node->offset < node->end && node->end <= doc->source.n);
    must((index == 0) ==
         (node->key_offset == 0 && node->parent == 0 && node->offset == doc->nodes[0].offset));
    bool container = node->kind == JSON_ARRAY || node->kind == JSON_OBJECT;
    must((node->child != 0) == (node->count != 0) && (container || node->count == 0));
    must(node->child == 0 || node->child == index + 1);
    uint32_t count = 0;
    uint32_t offset = node->offset + 1;
    for (uint32_t i = node->child; i; i = doc->nodes[i].next) {
        const struct json_node *child = &doc->nodes[i];
        bool member = node->kind == JSON_OBJECT;
        must(i < doc->count && child->parent == index && (child->next == 0 || child->next > i));
        must((child->key.p != NULL) == member && (child->key_offset != 0) == member);
        must(child->offset >= offset && child->end < node->end);
        must(!member || (child->key_offset >= offset && child->key_offset < child->offset &&
                         doc->source.p[child->key_offset] == '"'));
        must(!member || doc->count > 300 || json_get(doc, node, child->key) == child);
        offset = child->end;
        count++;
    }
    must(count == node->count);
}

static void check_queries(const struct json *doc, const struct json_node *node)
{
    int64_t value;
    int line;
    int column;
    (void)json_empty(node);
    json_place(doc, node->offset, &line, &column);
    must(line > 0 && column > 0);
    if (json_int(node, &value)) {
        char text[32];
        struct json_out out = {.p = text, .cap = sizeof text};
        json_out_int(&out, value);
        must(str_eq((struct str){text, out.len}, node->text) || str_is(node->text, "-0"));
    }
    must(json_fold_eq(node->key, node->key));
}

/* What the appender writes, the scan reads back. */
static void check_round_trip(struct str text)
{
    size_t cap = text.n * 6 + 2;
    char *buffer = malloc(cap);
    must(buffer != NULL);
    struct json_out out = {.p = buffer, .cap = cap};
    json_out_str(&out, text);
    must(out.len <= cap);
    struct arena arena = {0};
    struct json doc;
    must(json_scan((struct str){buffer, out.len}, &arena, &doc, NULL));
    must(doc.count == 1 && doc.nodes[0].kind == JSON_STRING && str_eq(doc.nodes[0].text, text));
    arena_free(&arena);
    free(buffer);
}

static void compare(const struct json *doc, const struct json_node *node, const cJSON *other)
{
    static const int kinds[] = {
        [JSON_NULL] = cJSON_NULL,     [JSON_FALSE] = cJSON_False,   [JSON_TRUE] = cJSON_True,
        [JSON_NUMBER] = cJSON_Number, [JSON_STRING] = cJSON_String, [JSON_ARRAY] = cJSON_Array,
        [JSON_OBJECT] = cJSON_Object,
    };
    must(other && (other->type & 0xFF) == kinds[node->kind]);
    must(node->key_offset == 0 || str_eq(node->key, str_of(other->string)));
    must(node->kind != JSON_STRING || str_eq(node->text, str_of(other->valuestring)));
    const cJSON *other_child = other->child;
    for (const struct json_node *child = json_child(doc, node); child;
         child = json_next(doc, child)) {
        compare(doc, child, other_child);
        other_child = other_child->next;
    }
    must(other_child == NULL);
}

static void compare_with_cjson(const struct json *doc)
{
    for (size_t i = 0; i < doc->count; i++)
        if (doc->nodes[i].kind == JSON_NUMBER && doc->nodes[i].text.n > CJSON_NUMBER_MAX)
            return;
    cJSON *other = cJSON_ParseWithLength(doc->source.p, doc->source.n);
    compare(doc, doc->nodes, other);
    cJSON_Delete(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str source = {(const char *)data, size};
    struct arena arena = {0};
    struct json doc;
    struct err err = {0};
    char shown[64];
    text_shorten(shown, size % sizeof shown + 1, source);
    must(strlen(shown) <= size % sizeof shown);
    if (json_scan(source, &arena, &doc, &err)) {
        must(!err.set && doc.count > 0 && doc.count <= size);
        for (uint32_t i = 0; i < doc.count; i++) {
            check_node(&doc, i);
            check_queries(&doc, &doc.nodes[i]);
            check_round_trip(doc.nodes[i].text);
        }
        compare_with_cjson(&doc);
    } else {
        must(err.set && err.line > 0 && err.column > 0 && err.text[0] && !doc.nodes);
    }
    arena_free(&arena);
    return 0;
}
