/* The appender, texts for people, and the printing by cJSON. */
#include "json.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#define ROW(text) (text), sizeof(text) - 1

// clang-format off
static const struct text_row {
    const char *text;
    size_t n;
    const char *json;
} text_rows[] = {
    {ROW(""), "\"\""},
    {ROW("plain"), "\"plain\""},
    {ROW("a\"b\\c/d"), "\"a\\\"b\\\\c/d\""},
    {ROW("\n\t\x1b\0x\x7f"), "\"\\u000a\\u0009\\u001b\xEF\xBF\xBDx\\u007f\""},
    {ROW("\xC2\x9B" "31m\xC2\xA0"), "\"\\u009b31m\xC2\xA0\""},
    {ROW("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
    {ROW("a\xFF\xC0\xAF" "b\xE2\x82"), "\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" "b\xEF\xBF\xBD\xEF\xBF\xBD\""},
    {ROW("eight bytes and more"), "\"eight bytes and more\""},
    {ROW("12345678\x7f" "1234567"), "\"12345678\\u007f1234567\""},
    {ROW("12345678 \"quoted\" \\"), "\"12345678 \\\"quoted\\\" \\\\\""},
    {ROW("1234\\678"), "\"1234\\\\678\""},
    {ROW("123\x1f" "5678"), "\"123\\u001f5678\""},
    {ROW("12345\xC3\xA9" "8"), "\"12345\xC3\xA9" "8\""},
};

static const struct shorten_row {
    const char *text;
    size_t n;
    size_t cap;
    const char *shown;
} shorten_rows[] = {
    {ROW(""), 8, ""},
    {ROW("abcdefg"), 8, "abcdefg"},
    {ROW("abcdefgh"), 8, "abcd..."},
    {ROW("abcdefgh"), 4, "..."},
    {ROW("abcdefgh"), 3, ".."},
    {ROW("abc"), 4, "abc"},
    {ROW("a"), 1, ""},
    {ROW("abc\xE2\x82\xAC"), 7, "abc\xE2\x82\xAC"},
    {ROW("abc\xE2\x82\xAC" "d"), 7, "abc..."},
    {ROW("\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC"), 9, "\xE2\x82\xAC..."},
    {ROW("a\nb"), 16, "a\\x0ab"},
    {ROW("\0\x1b\x7f"), 16, "\\x00\\x1b\\x7f"},
    {ROW("say \"x\" \\"), 32, "say \\x22x\\x22 \\x5c"},
    {ROW("\xC3\xA9\xFF"), 16, "\xC3\xA9\\xff"},
    {ROW("\xC2\x9B"), 16, "\\xc2\\x9b"},
    {ROW("\xE2\x80\xAE" "x"), 16, "\\xe2\\x80\\xaex"},
    {ROW("\x01\x02\x03"), 12, "\\x01\\x02..."},
    {ROW("\x01\x02\x03"), 10, "\\x01..."},
};
// clang-format on

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(text_rows); i++) {
        const struct text_row *row = &text_rows[i];
        char buffer[128];
        struct json_out out = {.p = buffer, .cap = sizeof buffer};
        json_out_str(&out, (struct str){row->text, row->n});
        if (!str_is((struct str){buffer, out.len}, row->json))
            fail_msg("wanted %s, got %.*s", row->json, (int)out.len, buffer);
    }
}

static void write_sample(struct json_out *out)
{
    json_out_open(out, '{');
    json_out_key(out, "list");
    json_out_open(out, '[');
    json_out_uint(out, UINT64_MAX);
    json_out_int(out, INT64_MIN);
    json_out_int(out, 0);
    json_out_open(out, '{');
    json_out_close(out, '}');
    json_out_str(out, STR("x"));
    json_out_close(out, ']');
    json_out_member(out, "none", (struct str){NULL, 0});
    json_out_member(out, "empty", STR(""));
    json_out_member(out, "said", STR("a \"word\""));
    json_out_key(out, "ok");
    json_out_raw(out, STR("true"));
    json_out_key(out, "n");
    json_out_int(out, -42);
    json_out_close(out, '}');
    json_out_raw(out, STR("\n"));
}

/* Whatever the room: nothing is written past it, and the length is always the whole. */
static void test_structure(void **state)
{
    (void)state;
    struct str want = STR("{\"list\":[18446744073709551615,-9223372036854775808,0,{},\"x\"],"
                          "\"empty\":\"\",\"said\":\"a \\\"word\\\"\",\"ok\":true,\"n\":-42}\n");
    for (size_t cap = 0; cap <= want.n + 1; cap++) {
        char *buffer = malloc(cap ? cap : 1);
        assert_non_null(buffer);
        struct json_out out = {.p = buffer, .cap = cap};
        write_sample(&out);
        assert_int_equal(out.len, want.n);
        if (!str_eq(str_head((struct str){buffer, want.n}, cap), str_head(want, cap)))
            fail_msg("cap %zu", cap);
        free(buffer);
    }
}

static void test_shorten(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shorten_rows); i++) {
        const struct shorten_row *row = &shorten_rows[i];
        char *dst = malloc(row->cap);
        assert_non_null(dst);
        assert_ptr_equal(text_shorten(dst, row->cap, (struct str){row->text, row->n}), dst);
        if (strcmp(dst, row->shown) != 0)
            fail_msg("row %zu: wanted %s, got %s", i, row->shown, dst);
        free(dst);
    }
    char untouched = 'x';
    text_shorten(&untouched, 0, STR("abc"));
    assert_int_equal(untouched, 'x');
    char sentence[16];
    assert_string_equal(text_sentence(sentence, sizeof(sentence), STR("is \"a\\b\"")),
                        "is \"a\\b\"");
    assert_string_equal(text_sentence(sentence, sizeof(sentence), STR("\"\x1b\"\n")),
                        "\"\\x1b\"\\x0a");
}

static void test_print(void **state)
{
    (void)state;
    size_t len;
    char *text = json_print_pretty(STR("{\"a\":[1,2]} \n"), &len);
    assert_string_equal(text, "{\n\t\"a\":\t[1, 2]\n}");
    assert_int_equal(len, strlen(text));
    free(text);
    static const char *const broken[] = {"", "{", "{} x", "nul", "[1,]"};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        assert_null(json_print_pretty(str_of(broken[i]), &len));
        assert_int_equal(len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_shorten),
        cmocka_unit_test(test_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
