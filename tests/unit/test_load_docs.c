/* The key table, the JSON schema and the manual page know the same keys and defaults, and what the
   manual shows loads. Reads them below $SRCDIR, by default the working directory. */
#include "load_helper.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- table, schema and manual ---------------------------------------------------------------- */

static char *read_source(const char *path)
{
    const char *dir = getenv("SRCDIR");
    char full[4096];
    snprintf(full, sizeof full, "%s/%s", dir ? dir : ".", path);
    FILE *file = fopen(full, "rb");
    if (!file)
        fail_msg("cannot open %s", full);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static const struct json_node *member(const struct json *doc, const struct json_node *node,
                                      const char *name)
{
    const struct json_node *found = json_get(doc, node, str_of(name));
    if (!found)
        fail_msg("the schema lacks %s", name);
    return found;
}

/* Each key of the table is a property of its group with a default, and no other is. */
static void test_schema_knows_the_keys(void **state)
{
    (void)state;
    char *text = read_source("policy/sockwarden-policy.schema.json");
    struct arena arena = {0};
    struct err err = {0};
    struct json doc;
    if (!json_scan(str_of(text), &arena, &doc, &err))
        fail_msg("%d:%d: %s", err.line, err.column, err.text);
    const struct json_node *defs = member(&doc, &doc.nodes[0], "$defs");
    size_t properties = 0;
    for (enum key key = 0; key < KEY_COUNT; key++) {
        const struct json_node *group = member(&doc, defs, key_rows[key].group);
        const struct json_node *keys = member(&doc, group, "properties");
        const struct json_node *row = member(&doc, keys, key_rows[key].name);
        member(&doc, row, "description");
        const struct json_node *value = member(&doc, row, "default");
        struct json fallback;
        assert_true(json_scan(str_of(key_rows[key].fallback), &arena, &fallback, &err));
        /* The same value, white space aside. */
        const char *a = doc.source.p + value->offset, *b = key_rows[key].fallback;
        for (; a < doc.source.p + value->end; a++)
            if (!isspace((unsigned char)*a) && *a != *b++)
                fail_msg("the schema's default of %s is not %s", key_path(key),
                         key_rows[key].fallback);
        assert_int_equal(*b, '\0');
        if (key == 0 || strcmp(key_rows[key - 1].group, key_rows[key].group) != 0)
            properties += keys->count - 1; /* description */
    }
    assert_int_equal(properties, KEY_COUNT);
    arena_free(&arena);
    free(text);
}

/* The manual has one entry `.It Cm GROUP.NAME` for each key, and no other. */
static void test_manual_knows_the_keys(void **state)
{
    (void)state;
    char *text = read_source("policy/sockwarden-policy.5");
    size_t items = 0;
    for (enum key key = 0; key < KEY_COUNT; key++) {
        char item[128];
        snprintf(item, sizeof item, "\n.It Cm %s\n", key_path(key));
        const char *at = strstr(text, item);
        if (!at)
            fail_msg("the manual lacks %s", key_path(key));
        assert_null(strstr(at + 1, item));
    }
    static const char *const groups[] = {"containers.", "exec.",     "images.",  "networks.",
                                         "builds.",     "services.", "secrets.", "configs.",
                                         "plugins.",    "nodes.",    "swarm."};
    for (const char *p = strstr(text, "\n.It Cm "); p; p = strstr(p + 1, "\n.It Cm "))
        for (size_t i = 0; i < ARRAY_LEN(groups); i++)
            items += strncmp(p + strlen("\n.It Cm "), groups[i], strlen(groups[i])) == 0;
    assert_int_equal(items, KEY_COUNT);
    free(text);
}

/* The text of `.Li "..."` behind "Example:", with \(dq as the quote. */
static struct str manual_example(const char *at, char *dst, size_t cap)
{
    const char *begin = strchr(strstr(at, ".Li \""), '"') + 1;
    const char *end = strchr(begin, '\n') - 1;
    size_t n = 0;
    while (begin < end && n + 1 < cap) {
        bool quote = strncmp(begin, "\\(dq", 4) == 0;
        dst[n++] = quote ? '"' : *begin;
        begin += quote ? 4 : 1;
    }
    return (struct str){dst, n};
}

static void loads(const char *what, const char *text)
{
    static char shown[4096];
    struct err_list errors = {0};
    struct policy *policy = policy_load(str_of(text), &errors);
    print_errors(&errors, shown, sizeof shown);
    if (!policy || errors.count > 0)
        fail_msg("%s: %s %s", what, text, shown);
    policy_free(policy);
    err_list_free(&errors);
}

/* What the manual shows is what a person copies. */
static void test_manual_examples_load(void **state)
{
    (void)state;
    static char policy[8192], value[4096];
    char *text = read_source("policy/sockwarden-policy.5");
    for (enum key key = 0; key < KEY_COUNT; key++) {
        char item[128];
        snprintf(item, sizeof item, "\n.It Cm %s\n", key_path(key));
        const char *at = strstr(text, item);
        assert_non_null(at);
        struct str example = manual_example(strstr(at, "\nExample:\n"), value, sizeof value);
        snprintf(policy, sizeof policy, ROLE("{\"allow\":[\"*\"],\"%s\":{%.*s}}"),
                 key_rows[key].group, STR_ARG(example));
        loads(key_path(key), policy);
        struct str shown = manual_example(strstr(at, "\nDefault:\n"), value, sizeof value);
        size_t n = 0; /* white space aside */
        for (size_t i = 0; i < shown.n; i++)
            if (shown.p[i] != ' ')
                value[n++] = shown.p[i];
        value[n] = '\0';
        assert_string_equal(value, key_rows[key].fallback);
    }
    size_t examples = 0;
    for (const char *at = strstr(text, ".Bd -literal"); at; at = strstr(at + 1, ".Bd -literal")) {
        const char *begin = strchr(at, '\n') + 1;
        if (*begin != '{')
            continue;
        snprintf(policy, sizeof policy, "%.*s", (int)(strstr(begin, "\n.Ed") - begin), begin);
        loads("an example", policy);
        examples++;
    }
    assert_true(examples >= 4);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_knows_the_keys),
        cmocka_unit_test(test_manual_knows_the_keys),
        cmocka_unit_test(test_manual_examples_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
