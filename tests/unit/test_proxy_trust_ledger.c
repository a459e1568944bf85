/* The ledger of what was found signed: its lines, its end of things, broken files, bounds. */
#include "trust_helper.h"

#include <fcntl.h>

#define REPO   "registry.example.com/team/app"
#define DIGEST "sha256:104920f738d344c3789b8499ad3c5fac7b68bca65dbefe91db6b5cedf05be7f0"
#define CONFIG "sha256:101fc5856e5e95cc243f78fd2adcfd7f68df042943eff4eec22c7a9954b3e757"
#define OTHER  "sha256:204920f738d344c3789b8499ad3c5fac7b68bca65dbefe91db6b5cedf05be7f0"
#define HASH   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define KEY    "SHA256:" HASH

static struct trust_entry entry_of(const char *id, int64_t at)
{
    struct trust_entry entry = {.format = SIGN_SIGSTORE_BUNDLE, .at = at, .repo = STR(REPO)};
    memcpy(entry.id, id, sizeof entry.id);
    memcpy(entry.digest, DIGEST, sizeof entry.digest);
    memcpy(entry.rule, HASH, sizeof entry.rule);
    memcpy(entry.key, KEY, sizeof entry.key);
    return entry;
}

#define LINE(id, repo, how, rule, at)                                                   \
    "{\"id\":\"" id "\",\"digest\":\"" DIGEST "\",\"repo\":\"" repo "\",\"how\":\"" how \
    "\",\"format\":\"cosign-simple\",\"key\":\"" KEY "\",\"rule\":\"" rule "\",\"at\":" at "}"

static void lines_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool good;
    } rows[] = {
        {LINE(CONFIG, REPO, "signature", HASH, "1"), true},
        {LINE(CONFIG, REPO, "pulled", HASH, "1"), false},
        {LINE("sha256:12", REPO, "signature", HASH, "1"), false},
        {LINE(CONFIG, "", "signature", HASH, "1"), false},
        {LINE(CONFIG, REPO, "signature", "12", "1"), false},
        {LINE(CONFIG, REPO, "signature", HASH, "1,\"until\":9"), true},
        {LINE(CONFIG, REPO, "signature", HASH, "1,\"until\":0"), false},
        {LINE(CONFIG, REPO, "signature", HASH, "1,\"until\":-1"), false},
        {LINE(CONFIG, REPO, "signature", HASH, "1,\"until\":\"9\""), false},
        {LINE(CONFIG, REPO, "signature", HASH, "1,\"until\":null"), false},
        {LINE(CONFIG, REPO, "signature", HASH, "-1"), false},
        {LINE(CONFIG, REPO, "signature", HASH, "1.5"), false},
        {LINE(CONFIG, REPO, "signature", HASH, "\"1\""), false},
        {LINE(CONFIG, REPO, "signature", HASH, "1") "x", false},
        {"{\"Id\":\"x\"," LINE(CONFIG, REPO, "signature", HASH, "1"), false},
        {"{}", false},
        {"[]", false},
        {"null", false},
        {"", false},
    };
    struct arena arena = {.limit = 0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct trust_entry entry, again;
        char text[TRUST_LINE_MAX];
        if (trust_entry_read(str_of(rows[i].line), &arena, &entry) != rows[i].good)
            fail_msg("%s", rows[i].line);
        if (!rows[i].good)
            continue;
        size_t n = trust_entry_write(&entry, text, sizeof text);
        assert_true(n > 0 && text[n - 1] == '\n');
        assert_true(trust_entry_read((struct str){text, n - 1}, &arena, &again));
        assert_string_equal(again.id, entry.id);
        assert_int_equal(again.until, entry.until);
        assert_true(str_eq(again.repo, entry.repo));
    }
    arena_free(&arena);
}

static bool knows(struct trust_ledger *ledger, const char *id, int64_t now)
{
    struct trust_verdict verdict;
    return trust_ledger_find(ledger, STR(REPO), HASH, str_of(id), now, &verdict);
}

/* Certificates and signatures that end do so here, too; one that ends later takes their place. */
static void what_ends_is_forgotten(void **state)
{
    (void)state;
    char folder[64], path[96];
    struct err err = {.set = false};
    struct trust_verdict verdict;
    struct trust_entry entry = entry_of(CONFIG, 1);
    folder_open(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/trust.jsonl", folder);
    struct trust_ledger *ledger = trust_ledger_open(path, 0, geteuid(), &err);
    entry.until = 100;
    assert_true(trust_ledger_add(ledger, &entry, 1));
    assert_true(knows(ledger, CONFIG, 99));
    assert_false(knows(ledger, CONFIG, 100));
    entry.until = 200;
    assert_true(trust_ledger_add(ledger, &entry, 1));
    entry.until = 150;
    assert_true(trust_ledger_add(ledger, &entry, 1));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(trust_ledger_size(ledger), 1);
        assert_true(trust_ledger_find(ledger, STR(REPO), HASH, STR(CONFIG), 199, &verdict));
        assert_int_equal(verdict.until, 200);
        assert_false(knows(ledger, CONFIG, 200));
        trust_ledger_close(ledger);
        ledger = trust_ledger_open(path, 0, geteuid(), &err);
        assert_non_null(ledger);
    }
    entry.until = 0;
    assert_true(trust_ledger_add(ledger, &entry, 1));
    entry.until = 300;
    assert_true(trust_ledger_add(ledger, &entry, 1));
    assert_true(knows(ledger, CONFIG, 1000));
    trust_ledger_close(ledger);
    folder_remove(folder);
}

/* --trust-ttl counts from when it was verified, however often it is found again. */
static void what_is_found_gets_no_younger(void **state)
{
    (void)state;
    struct err err = {.set = false};
    struct trust_verdict verdict;
    struct trust_rule rule = {.hash = HASH};
    struct trust_entry entry = entry_of(CONFIG, 100);
    struct trust_ledger *ledger = trust_ledger_open(NULL, 60, geteuid(), &err);
    assert_true(trust_ledger_add(ledger, &entry, 1));
    assert_true(trust_ledger_find(ledger, STR(REPO), HASH, STR(CONFIG), 159, &verdict));
    trust_add_id(&verdict, STR(OTHER));
    trust_ledger_keep(ledger, &rule, STR(REPO), &verdict);
    assert_true(knows(ledger, CONFIG, 159) && knows(ledger, OTHER, 159));
    assert_false(knows(ledger, CONFIG, 160) || knows(ledger, OTHER, 160));
    verdict.at = 0;
    trust_ledger_keep(ledger, &rule, STR(REPO), &verdict);
    assert_true(knows(ledger, CONFIG, time(NULL)) && knows(ledger, OTHER, time(NULL)));
    trust_ledger_close(ledger);
}

/* What is torn, of another, or too old is left out; the rest counts. */
static void broken_ledgers_are_mended(void **state)
{
    (void)state;
    char folder[64], path[96];
    struct err err = {.set = false};
    folder_open(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/trust.jsonl", folder);
    file_write(
        folder, "trust.jsonl",
        STR("\n\xff\xfe\n" LINE(CONFIG, REPO, "signature", HASH, "100") "\n{\"id\":\"sha\n" LINE(
            DIGEST, REPO, "signature", HASH, "99999999999") "\n" LINE(OTHER, REPO, "signature",
                                                                      HASH, "100")));
    struct trust_ledger *ledger = trust_ledger_open(path, 0, geteuid(), &err);
    assert_non_null(ledger);
    assert_int_equal(trust_ledger_size(ledger), 3);
    assert_true(knows(ledger, CONFIG, 0) && knows(ledger, DIGEST, 0) && knows(ledger, OTHER, 0));
    err = (struct err){.set = false};
    assert_null(trust_ledger_open(path, 0, geteuid(), &err)); /* it is in use */
    assert_non_null(strstr(err.text, "in use"));
    trust_ledger_close(ledger);
    ledger = trust_ledger_open(path, 60, geteuid(), &err);
    assert_int_equal(trust_ledger_size(ledger), 3); /* and was written anew */
    assert_false(knows(ledger, CONFIG, 200));
    assert_true(knows(ledger, CONFIG, 159));
    assert_true(knows(ledger, DIGEST, time(NULL) + 1)); /* of the future: as of now */
    assert_false(knows(ledger, DIGEST, time(NULL) + 61));
    trust_ledger_close(ledger);
    chmod(path, 0666);
    err = (struct err){.set = false};
    assert_null(trust_ledger_open(path, 0, geteuid(), &err));
    assert_non_null(strstr(err.text, "chmod"));
    folder_remove(folder);
}

static void ledgers_are_bounded(void **state)
{
    (void)state;
    enum { MORE = TRUST_LEDGER_MAX + 500, BATCH = 500 };
    char folder[64], path[96], id[SIGN_DIGEST_BYTES + 1];
    struct err err = {.set = false};
    static struct trust_entry entries[BATCH];
    folder_open(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/trust.jsonl", folder);
    struct trust_ledger *ledger = trust_ledger_open(path, 0, geteuid(), &err);
    for (unsigned i = 0; i < MORE; i++) {
        snprintf(id, sizeof id, "sha256:%08x%056x", i, 0);
        entries[i % BATCH] = entry_of(id, 1);
        if (i % BATCH == BATCH - 1)
            assert_true(trust_ledger_add(ledger, entries, BATCH));
    }
    assert_int_equal(trust_ledger_size(ledger), TRUST_LEDGER_MAX);
    snprintf(id, sizeof id, "sha256:%08x%056x", 0, 0);
    assert_false(knows(ledger, id, 1)); /* the oldest went */
    snprintf(id, sizeof id, "sha256:%08x%056x", MORE - 1, 0);
    assert_true(knows(ledger, id, 1));
    trust_ledger_close(ledger);
    ledger = trust_ledger_open(path, 0, geteuid(), &err);
    assert_int_equal(trust_ledger_size(ledger), TRUST_LEDGER_MAX);
    assert_true(knows(ledger, id, 1));
    trust_ledger_close(ledger);
    folder_remove(folder);
}

static void ledgers_tell_what_they_hold(void **state)
{
    (void)state;
    struct trust_verdict verdict;
    struct err err = {.set = false};
    struct trust_entry entries[] = {entry_of(DIGEST, 1), entry_of(CONFIG, 1), entry_of(CONFIG, 1)};
    struct trust_ledger *ledger = trust_ledger_open(NULL, 0, geteuid(), &err);
    assert_true(trust_ledger_add(ledger, entries, ARRAY_LEN(entries)));
    assert_int_equal(trust_ledger_size(ledger), 2);
    assert_true(trust_ledger_find(ledger, STR(REPO), HASH, STR(CONFIG), 5, &verdict));
    assert_int_equal(verdict.reason, SIGN_OK);
    assert_int_equal(verdict.format, SIGN_SIGSTORE_BUNDLE);
    assert_int_equal(verdict.id_count, 2);
    assert_true(verdict.mapped);
    assert_string_equal(verdict.digest, DIGEST);
    assert_string_equal(verdict.key, KEY);
    assert_false(trust_ledger_find(ledger, STR(REPO "2"), HASH, STR(CONFIG), 5, &verdict));
    assert_false(trust_ledger_find(ledger, STR(REPO), KEY, STR(CONFIG), 5, &verdict));
    assert_false(trust_ledger_find(ledger, STR(REPO), HASH, STR(OTHER), 5, &verdict));
    assert_false(trust_ledger_find(ledger, STR(REPO), HASH, STR("sha256:"), 5, &verdict));
    trust_ledger_close(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_strictly),
        cmocka_unit_test(what_ends_is_forgotten),
        cmocka_unit_test(what_is_found_gets_no_younger),
        cmocka_unit_test(broken_ledgers_are_mended),
        cmocka_unit_test(ledgers_are_bounded),
        cmocka_unit_test(ledgers_tell_what_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
