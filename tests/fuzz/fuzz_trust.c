/* libFuzzer target for what stands around signatures: lines of the ledger, and registries that
   answer anything. Digests and signatures count as good, so that what stands behind them is
   reached. The input of a registry: for each answer its outcome, two bytes of length, the bytes. */
#include "trust_parts.h"

#include <stdlib.h>

#define FINGERPRINT "SHA256:659a196df5f87c5c55544956ee935dc110e2d2dac50317224893d93a30771389"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
bool __wrap_sign_digest_of(struct str bytes, struct str digest);
bool __wrap_sign_key_verify(const struct sign_key *key, struct str message, struct str signature);
const char *__wrap_sign_key_fingerprint(const struct sign_key *key);

static char stands_for_key; /* never looked into */

bool __wrap_sign_digest_of(struct str bytes, struct str digest)
{
    return bytes.p && digest.n > 0;
}

bool __wrap_sign_key_verify(const struct sign_key *key, struct str message, struct str signature)
{
    return key && message.p && signature.p;
}

const char *__wrap_sign_key_fingerprint(const struct sign_key *key)
{
    (void)key;
    return FINGERPRINT;
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* ---- a registry ------------------------------------------------------------------------------ */

struct registry {
    struct str rest; /* of its answers */
    bool later;
    struct trust_want want;
    struct trust_fetch *fetch; /* that is waited for */
    size_t asked;
    bool done;
};

static void answer(struct registry *registry, const struct trust_want *want,
                   struct trust_fetch *fetch)
{
    struct str rest = registry->rest;
    fetch->outcome = TRUST_ABSENT;
    registry->rest = str_skip(rest, 3);
    if (rest.n < 3)
        return;
    size_t length = (unsigned char)rest.p[1] << 8 | (unsigned char)rest.p[2];
    fetch->outcome = (enum trust_outcome)((unsigned char)rest.p[0] % 5);
    struct str bytes = str_head(registry->rest, length);
    registry->rest = str_skip(registry->rest, length);
    if (fetch->outcome != TRUST_GOT)
        return;
    fetch->bytes = arena_copy(fetch->arena, str_head(bytes, want->max));
    if (!fetch->bytes.p)
        fetch->outcome = TRUST_ERROR;
}

static bool on_fetch(void *self, const struct trust_want *want, struct trust_fetch *fetch)
{
    struct registry *registry = self;
    must(++registry->asked < 256 && want->reference.n > 0 && !registry->fetch);
    if (!registry->later) {
        answer(registry, want, fetch);
        return true;
    }
    registry->want = *want;
    registry->fetch = fetch;
    return false;
}

static void on_cancel(void *self, struct trust_fetch *fetch)
{
    struct registry *registry = self;
    must(registry->fetch == fetch);
    registry->fetch = NULL;
}

static void on_done(void *arg)
{
    ((struct registry *)arg)->done = true;
}

static void check_verdict(const struct trust_verdict *verdict)
{
    must(verdict->reason < TRUST_REASONS);
    must(verdict->id_count <= TRUST_IDS_MAX);
    if (verdict->reason == SIGN_OK)
        must(verdict->key[0] && verdict->id_count > 0 &&
             sign_digest_valid(str_of(verdict->digest)));
    else
        must(verdict->text[0] && verdict->id_count == 0);
    for (size_t i = 0; i < verdict->id_count; i++)
        must(sign_digest_valid(str_of(verdict->ids[i])));
}

static void drive(struct str text, bool later, bool tag, size_t turns)
{
    const struct sign_key *keys[] = {(const struct sign_key *)(const void *)&stands_for_key};
    struct trust_rule rule = {
        .sign = {.formats = BIT(SIGN_COSIGN_SIMPLE) | BIT(SIGN_SIGSTORE_BUNDLE),
                 .keys = keys,
                 .key_count = 1,
                 .identity = SIGN_ANY}};
    struct registry registry = {.rest = text, .later = later};
    const struct trust_source source = {&registry, on_fetch, on_cancel};
    struct str digest =
        STR("sha256:104920f738d344c3789b8499ad3c5fac7b68bca65dbefe91db6b5cedf05be7f0");
    const struct trust_task task = {
        .subject = {.rule = &rule,
                    .image = {.repository = STR("registry.example.com/team/app"),
                              .tag = tag ? STR("1.0") : STR(""),
                              .digest = tag ? (struct str){NULL, 0} : digest},
                    .host = STR("registry.example.com"),
                    .path = STR("team/app")},
        .source = &source,
        .arg = &registry,
        .on_done = on_done};
    bool done = false, dead;
    struct trust_drive *drive = trust_drive_start(&task, &done);
    must(drive != NULL);
    while (!done && !registry.done && turns-- > 0) {
        struct trust_fetch *fetch = registry.fetch;
        registry.fetch = NULL;
        answer(&registry, &registry.want, fetch);
        fetch->on_done(fetch->arg);
    }
    if (done || registry.done)
        check_verdict(trust_drive_verdict(drive, &dead));
    trust_drive_free(drive);
    must(!registry.fetch);
}

/* ---- the ledger ------------------------------------------------------------------------------ */

static void check_line(struct str text)
{
    struct arena arena = {.limit = 1 << 20};
    struct trust_entry entry, again;
    char line[TRUST_LINE_MAX];
    if (trust_entry_read(text, &arena, &entry)) {
        must(sign_digest_valid(str_of(entry.id)) && sign_digest_valid(str_of(entry.digest)));
        size_t n = trust_entry_write(&entry, line, sizeof line);
        if (n > 0) {
            must(line[n - 1] == '\n' && !memchr(line, '\n', n - 1));
            must(trust_entry_read((struct str){line, n - 1}, &arena, &again));
            must(strcmp(entry.id, again.id) == 0 && entry.at == again.at &&
                 str_eq(entry.repo, again.repo));
        }
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str text = {(const char *)data + 1, size - 1};
    if (data[0] & 1)
        check_line(text);
    else
        drive(text, data[0] & 2, data[0] & 4, data[0] & 8 ? (size_t)(data[0] >> 4) : 256);
    return 0;
}
