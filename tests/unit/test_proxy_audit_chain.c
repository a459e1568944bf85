/* The hash chain: what a line gets, how a file of before is continued, and which breaks are named.
 */
#include "audit_helper.h"

#include "log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/sockwarden-chain-XXXXXX";
static char path[64];

enum { LINES = 6 };

/* Lines of a chain, one behind the other. */
struct sample {
    struct audit_text text;
    struct str lines[LINES]; /* with their line ends */
};

static int set_up(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    return rmdir(folder);
}

static struct audit_text chained(const char *lines, const char *last)
{
    struct audit_hasher hasher;
    struct audit_text text = {NULL, 0, 0};
    char zero[AUDIT_HASH_LEN];
    audit_hash_zero(zero);
    assert_true(audit_hasher_open(&hasher));
    assert_true(audit_chain_lines(&hasher, last ? last : zero, str_of(lines), &text));
    audit_hasher_close(&hasher);
    return text;
}

static void make_sample(struct sample *sample)
{
    sample->text = chained(LINE("0") LINE("1") LINE("2") LINE("3") LINE("4") LINE("5"), NULL);
    struct str rest = {sample->text.p, sample->text.len};
    for (size_t i = 0; i < LINES; i++) {
        sample->lines[i] = str_head(rest, str_find(rest, '\n') + 1);
        rest = str_skip(rest, sample->lines[i].n);
    }
}

/* ---- lines --------------------------------------------------------------------------------- */

/* Computed by other programs: sha256sum of the bytes up to the comma before hash. */
static void test_known(void **state)
{
    (void)state;
    struct audit_text text = chained(LINE("a"), NULL);
    static const char wanted[] =
        "{\"l\":\"a\",\"prev\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"hash\":\"f904672377371715df8009c8ad0bdc281d9298e308c49ee77ccb8ffd1ed02267\"}\n";
    text.p[text.len] = '\0';
    assert_string_equal(text.p, wanted);
    free(text.p);
}

static void test_link_read(void **state)
{
    (void)state;
    struct sample sample;
    make_sample(&sample);
    char line[512];
    struct audit_link link;
    size_t n = sample.lines[1].n - 1;
    memcpy(line, sample.lines[1].p, n);
    assert_true(audit_link_read((struct str){line, n}, &link));
    assert_memory_equal(link.prev.p, sample.lines[0].p + sample.lines[0].n - AUDIT_HASH_FROM_END,
                        AUDIT_HASH_LEN);
    for (size_t i = 0; i < n; i++)
        assert_false(audit_link_read((struct str){line, i}, &link));
    /* No byte of the two members may be another. */
    for (size_t i = n - AUDIT_LINK_BYTES - 1; i < n; i++) {
        char was = line[i];
        line[i] = '#';
        assert_false(audit_link_read((struct str){line, n}, &link));
        line[i] = was;
    }
    free(sample.text.p);
}

/* ---- a file of before ---------------------------------------------------------------------- */

static void write_file(struct str bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
    fclose(file);
}

/* Wherever a crash has cut the file, its bytes stay, the chain goes on, and verify can explain. */
static void test_resume_everywhere(void **state)
{
    (void)state;
    struct sample sample;
    make_sample(&sample);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    for (size_t n = 0; n <= sample.text.len; n++) {
        write_file((struct str){sample.text.p, n});
        struct audit_sink *sink = open_sink(path, NULL);
        assert_true(audit_write(sink, STR(LINE("a") LINE("b"))));
        assert_true(audit_write(sink, STR(LINE("c"))));
        audit_close(sink);
        size_t length;
        char *text = file_text(path, &length);
        assert_memory_equal(text, sample.text.p, n);
        expect_chain((struct str){text, length}, NULL);
        free(text);
    }
    unlink(path);
    free(sample.text.p);
}

static void test_resume_odd(void **state)
{
    (void)state;
    static char huge[3 * AUDIT_LINE_MAX];
    memset(huge, 'x', sizeof(huge));
    struct audit_text text = chained(LINE("a"), NULL);
    struct err err = {.set = false};
    const char *targets[] = {path};
    /* No audit log: it stays as it is. */
    write_file((struct str){huge, sizeof(huge)});
    assert_null(audit_open(targets, 1, &err));
    assert_non_null(strstr(err.text, "holds no audit lines"));
    assert_non_null(strstr(err.text, path));
    /* Lines of old, without a chain: a new one begins, and that is named. */
    write_file(STR("{\"old\":1}\n"));
    struct audit_sink *sink = open_sink(path, NULL);
    assert_true(audit_write(sink, STR(LINE("a"))));
    audit_close(sink);
    size_t length;
    char *got = file_text(path, &length);
    assert_memory_equal(got + 10, text.p, text.len);
    expect_chain((struct str){got, length}, "log:1: it does not end in prev and hash");
    free(got);
    /* The last line was changed: its hash is continued, and the change is what is named. */
    text.p[6] = 'x';
    write_file((struct str){text.p, text.len});
    sink = open_sink(path, NULL);
    assert_true(audit_write(sink, STR(LINE("b"))));
    audit_close(sink);
    got = file_text(path, &length);
    expect_chain((struct str){got, length}, "log:1: it was changed");
    free(got);
    free(text.p);
    unlink(path);
}

/* ---- breaks -------------------------------------------------------------------------------- */

/* Each row: lines of the sample by number, with changes between them, and what is said. */
static const struct {
    const char *lines; /* digits: the line; other letters: see below */
    const char *expected;
} breaks[] = {
    {"", NULL},
    {"012345", NULL},
    {"345", NULL}, /* continues an older file */
    {"01e345", "log:3: it was changed"},
    {"e12345", "log:1: it was changed"},
    {"01345", "log:3: its prev is not the hash of the line before it"},
    {"02345", "log:2: its prev is not"},
    {"0123541", "log:5: it is in wrong order: the line before it stands at log:6"},
    {"021345", "log:2: it is in wrong order: the line before it stands at log:3"},
    {"0122345", "log:4: it stands here a second time, first at log:3"},
    {"012340", "log:6: it stands here a second time, first at log:1"},
    {"012n345", "log:5: it belongs behind log:3"},
    {"0123n45", "log:5: it belongs behind log:3"},
    {"01n2345", "log:3: it is in wrong order: the line before it stands at log:4"},
    {"01z2345", "log:3: a new chain begins here"},
    {"01j345", "log:3: it does not end in prev and hash"},
    {"01g2345", "log:3: it is not JSON"},
    {"01 2345", "log:3: it is empty"},
    {"01t2345", "log:3: it is torn"},
    {"01tt2345", "log:3: it is torn"},
    {"012345t", "log:7: it is torn"},
    {"t", "log:1: it is torn"},
    {"01L2345", "log:3: it has more than"},
    {"012u", NULL}, /* the line end of the last one is missing */
};

static void append(struct audit_text *out, struct str bytes)
{
    assert_true(out->len + bytes.n <= out->cap);
    memcpy(out->p + out->len, bytes.p, bytes.n);
    out->len += bytes.n;
}

static void append_letter(struct audit_text *out, const struct sample *sample, char letter)
{
    static char huge[AUDIT_LINE_MAX + 2];
    size_t begin = out->len;
    struct audit_text other = {NULL, 0, 0};
    switch (letter) {
    case 'e': /* line 2 with another byte */
        append(out, sample->lines[2]);
        out->p[begin + 6] ^= 1;
        break;
    case 'n': /* one of the same parent as line 3, with a good hash */
        other = chained(LINE("n"), sample->lines[2].p + sample->lines[2].n - AUDIT_HASH_FROM_END);
        break;
    case 'z':
        other = chained(LINE("z"), NULL);
        break;
    case 'u':
        append(out, str_head(sample->lines[3], sample->lines[3].n - 1));
        break;
    case 't':
        append(out, str_head(sample->lines[2], 30));
        append(out, STR("\n"));
        break;
    case 'L':
        memset(huge, 'x', sizeof(huge));
        huge[sizeof(huge) - 1] = '\n';
        append(out, (struct str){huge, sizeof(huge)});
        break;
    case 'j':
        append(out, STR("{\"old\":1}\n"));
        break;
    case 'g':
        append(out, STR("garbage\n"));
        break;
    case ' ':
        append(out, STR("\n"));
        break;
    default:
        append(out, sample->lines[letter - '0']);
        break;
    }
    append(out, (struct str){other.p ? other.p : "", other.len});
    free(other.p);
}

static void test_breaks(void **state)
{
    (void)state;
    struct sample sample;
    make_sample(&sample);
    struct audit_text text = {malloc(1 << 20), 0, 1 << 20};
    assert_non_null(text.p);
    for (size_t i = 0; i < ARRAY_LEN(breaks); i++) {
        text.len = 0;
        for (const char *p = breaks[i].lines; *p; p++)
            append_letter(&text, &sample, *p);
        print_message("[ row      ] %s\n", breaks[i].lines);
        expect_chain((struct str){text.p, text.len}, breaks[i].expected);
    }
    free(text.p);
    free(sample.text.p);
}

/* No byte of a log can be another, none can be missing, without the line being named. */
static void test_every_byte(void **state)
{
    (void)state;
    struct sample sample;
    make_sample(&sample);
    char *copy = malloc(sample.text.len);
    assert_non_null(copy);
    for (size_t i = 0; i < sample.text.len; i++) {
        memcpy(copy, sample.text.p, sample.text.len);
        copy[i] = (char)(copy[i] ^ 1);
        expect_chain((struct str){copy, sample.text.len}, "log:");
        memmove(copy + i, sample.text.p + i + 1, sample.text.len - i - 1);
        if (i + 1 < sample.text.len) /* the last line end may be missing */
            expect_chain((struct str){copy, sample.text.len - 1}, "log:");
    }
    free(copy);
    free(sample.text.p);
}

/* Files in order are one chain; in another order, or without one of them, they are not. */
static void test_files(void **state)
{
    (void)state;
    static const struct {
        const char *files[3]; /* lines of each */
        const char *expected;
    } rows[] = {
        {{"01", "23", "45"}, NULL},
        {{"01", "", "23"}, NULL},
        {{"", "01", "23"}, NULL},
        {{"23", "45", ""}, NULL},
        {{"01", "45", ""},
         "file1:1: its prev is not the hash of the line before it: lines between "
         "them are missing, or that line was replaced, or the files are not in "
         "this order"},
        {{"23", "01", "45"}, "file1:1: a new chain begins here"},
        {{"01", "45", "23"}, "file1:1: it is in wrong order: the line before it stands at file2:2"},
        {{"01", "2t", "345"}, "file1:2: it is torn"},
    };
    static const char *const names[] = {"file0", "file1", "file2"};
    struct sample sample;
    make_sample(&sample);
    char store[4096];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct audit_verifier verifier;
        assert_true(audit_verify_open(&verifier));
        for (size_t f = 0; f < 3; f++) {
            struct audit_text text = {store, 0, sizeof(store)};
            for (const char *p = rows[i].files[f]; *p; p++)
                append_letter(&text, &sample, *p);
            audit_verify_file(&verifier, names[f]);
            audit_verify_feed(&verifier, (struct str){text.p, text.len});
            audit_verify_file_end(&verifier);
        }
        char said[512] = "";
        if (!audit_verify_verdict(&verifier))
            snprintf(said, sizeof(said), "%s:%" PRIu64 ": %s", verifier.broken.file,
                     verifier.broken.line, verifier.why);
        audit_verify_close(&verifier);
        if (rows[i].expected ? !str_starts(str_of(said), str_of(rows[i].expected)) : said[0])
            fail_msg("row %zu: %s", i, said);
    }
    free(sample.text.p);
}

/* What a chain costs for each line of 600 bytes; printed, and only a great deal too much counts. */
static void test_cost(void **state)
{
    (void)state;
    enum { COUNT = 20000, BYTES = 600 };
    struct audit_hasher hasher;
    struct audit_text text = {NULL, 0, 0};
    char line[BYTES], last[AUDIT_HASH_LEN];
    struct timespec begin, end;
    memset(line, 'x', sizeof(line));
    memcpy(line, "{\"l\":\"", 6);
    memcpy(line + BYTES - 3, "\"}\n", 3);
    audit_hash_zero(last);
    assert_true(audit_hasher_open(&hasher));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (int i = 0; i < COUNT; i++) {
        text.len = 0;
        assert_true(audit_chain_lines(&hasher, last, (struct str){line, BYTES}, &text));
        memcpy(last, text.p + text.len - AUDIT_HASH_FROM_END, sizeof(last));
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    double ns = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
    print_message("[ cost     ] %.0f ns a line\n", ns / COUNT);
    assert_true(ns / COUNT < 20000);
    audit_hasher_close(&hasher);
    free(text.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),      cmocka_unit_test(test_link_read),
        cmocka_unit_test(test_breaks),     cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_files),      cmocka_unit_test(test_resume_everywhere),
        cmocka_unit_test(test_resume_odd), cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
