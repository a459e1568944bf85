/* Private to trust*.c and `verify`: rules with their keys, verdicts, the store, the ledger, and the
   way through a source. */
#ifndef PROXY_TRUST_PARTS_H
#define PROXY_TRUST_PARTS_H

#include "sign.h"
#include "trust.h"

enum {
    TRUST_HASH_BYTES = 64, /* digits of a rule's hash */
    TRUST_IDS_MAX = 32,    /* of one verdict: an index, its manifests for one platform */
    TRUST_CHILDREN_MAX = 8 /* manifests of an index that are read: variants of one platform */
};

/* Reasons beside those of sign.h, whose numbers go on behind them. */
enum trust_reason {
    TRUST_REGISTRY_ERROR = SIGN_REASONS, /* no answer, or none that says yes or no */
    TRUST_NOT_FOUND,                     /* the registry has no such image */
    TRUST_TAG_UNRESOLVED,                /* nobody may be asked what the tag stands for */
    TRUST_ID_UNKNOWN,                    /* no signed image is known by this ID */
    TRUST_REASONS
};
const char *trust_reason_name(unsigned reason);

struct trust_verdict {
    unsigned reason; /* enum sign_reason or trust_reason; SIGN_OK: signed */
    enum sign_format format;
    char key[SIGN_FINGERPRINT_BYTES + 1];
    char text[256];                     /* of a refusal: one sentence without dot */
    char digest[SIGN_DIGEST_BYTES + 1]; /* of manifest or index; "": not known */
    char ids[TRUST_IDS_MAX][SIGN_DIGEST_BYTES + 1];
    size_t id_count;
    bool mapped;   /* the IDs of its configs are among them */
    int64_t until; /* signed, and only before that: seconds since the epoch; 0: for ever */
    int64_t at;    /* when it was verified, likewise; 0: now */
};

bool trust_refuse(struct trust_verdict *verdict, unsigned reason, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Takes over reason, format, key and text. */
void trust_take(struct trust_verdict *verdict, const struct sign_verdict *sign);
/* Once each, up to TRUST_IDS_MAX. */
void trust_add_id(struct trust_verdict *verdict, struct str id);

/* The answer of a FACT_SIGNATURE, see trust.h; empty: no memory. */
struct str trust_verdict_write(const struct trust_verdict *verdict, struct arena *arena);

/* ---- steps, for people (`sockwarden verify`) ------------------------------------------------- */

/* say NULL: nobody listens. */
struct trust_steps {
    void (*say)(void *arg, const char *sentence);
    void *arg;
};
void trust_say(const struct trust_steps *steps, const char *format, ...) PRINTF_LIKE(2, 3);

/* Tells each step of what this desk verifies from now on. */
void trust_desk_tell(struct trust_desk *desk, const struct trust_steps *steps);

/* ---- rules (trust_rules.c) ------------------------------------------------------------------- */

struct trust_rule {
    const char *id; /* signed_entry.text.p */
    struct sign_rule sign;
    enum signed_source source;
    struct sign_key *keys[SIGN_KEYS_MAX]; /* owned */
    struct sign_trust *trust;             /* owned */
    char hash[TRUST_HASH_BYTES + 1];      /* of the entry's text, keys and trust store */
};

struct trust_rules {
    struct trust_rule *items; /* ordered by id */
    size_t count;
    uint64_t generation; /* no two in a process have the same */
    bool registry;
};

/* NULL: the policy has no such entry. */
const struct trust_rule *trust_rules_find(const struct trust_rules *rules,
                                          const struct signed_entry *entry);

/* ---- the signature store (trust_store.c) ----------------------------------------------------- */

/* An image that is judged: what sign.h wants to know, and where to look. */
struct trust_subject {
    const struct trust_rule *rule;
    struct sign_image image;
    struct str host, path; /* "docker.io", "library/nginx" */
};

/* Is this digest signed in the folder DIR/HOST/PATH, by itself or as a manifest of an index that
   is? Fills in the verdict, with what is known of its IDs. */
void trust_store_judge(const char *dir, const struct trust_subject *subject,
                       const struct trust_steps *steps, struct trust_verdict *out);
/* The same of an ID: of a manifest in that folder whose config it is. */
void trust_store_judge_id(const char *dir, const struct trust_subject *subject, struct str id,
                          const struct trust_steps *steps, struct trust_verdict *out);

/* ---- the ledger (trust_ledger.c) ------------------------------------------------------------- */

/* What was found signed: an ID, under which digest, for which repository, by which rule. */
struct trust_entry {
    char id[SIGN_DIGEST_BYTES + 1];
    char digest[SIGN_DIGEST_BYTES + 1];
    char rule[TRUST_HASH_BYTES + 1];
    char key[SIGN_FINGERPRINT_BYTES + 1];
    enum sign_format format;
    int64_t at;      /* seconds since the epoch */
    int64_t until;   /* when certificate or signature end, likewise; 0: never */
    struct str repo; /* "docker.io/acme/app" */
};

/* Reads one line without its line feed; repo lies in the arena. False: it is none. */
bool trust_entry_read(struct str line, struct arena *arena, struct trust_entry *out);
/* Writes it with its line feed; 0: it does not fit. */
size_t trust_entry_write(const struct trust_entry *entry, char *dst, size_t cap);

struct trust_ledger;

enum {
    TRUST_LINE_MAX = 1536,            /* bytes; usual: below 500 */
    TRUST_LEDGER_FILE_MAX = 32 << 20, /* bytes that are read */
};

/* path NULL: in memory alone. NULL with err set. */
struct trust_ledger *trust_ledger_open(const char *path, unsigned ttl, uid_t uid, struct err *err);
void trust_ledger_close(struct trust_ledger *ledger);
/* Adds what is not there yet. False: no memory. A file that cannot be written is a line in the
   log. */
bool trust_ledger_add(struct trust_ledger *ledger, const struct trust_entry *entries, size_t count);
/* A yes holds for the digest and for each ID that it covers. */
void trust_ledger_keep(struct trust_ledger *ledger, const struct trust_rule *rule, struct str repo,
                       const struct trust_verdict *verdict);
/* Fills in a verdict for this ID, or this digest, of the repository under the rule of that hash.
   False: nothing is known. */
bool trust_ledger_find(struct trust_ledger *ledger, struct str repo, const char *rule,
                       struct str id_or_digest, int64_t now, struct trust_verdict *out);
size_t trust_ledger_size(struct trust_ledger *ledger);

/* ---- refusals (trust_refusals.c) ------------------------------------------------------------- */

enum {
    TRUST_KEY_BYTES = 32,     /* SHA-256 of a question */
    TRUST_REFUSALS_MAX = 256, /* that are remembered */
};

struct trust_refusals;

/* NULL when out of memory. */
struct trust_refusals *trust_refusals_new(void);
void trust_refusals_free(struct trust_refusals *refusals);
/* For TRUST_REFUSED_S, or TRUST_UNREACHED_S. */
void trust_refusals_add(struct trust_refusals *refusals, const unsigned char key[TRUST_KEY_BYTES],
                        const struct trust_verdict *verdict);
bool trust_refusals_find(struct trust_refusals *refusals, const unsigned char key[TRUST_KEY_BYTES],
                         struct trust_verdict *out);

/* ---- through a source (trust_drive.c) -------------------------------------------------------- */

struct trust_drive;

/* What is asked of a source. Texts are borrowed for as long as the drive. */
struct trust_task {
    struct trust_subject subject; /* image.tag and image.digest: one of them may be empty */
    struct str auth, platform;
    const struct trust_source *source;
    /* Called once a tag is resolved: is that digest signed, as is known already? May be NULL. */
    bool (*known)(void *arg, struct str digest, struct trust_verdict *out);
    void *arg;
    void (*on_done)(void *arg); /* not called for what ends in trust_drive_start() */
    struct trust_steps steps;
};

/* Puts its texts into the arena; false: no memory. */
bool trust_task_copy(struct trust_task *task, struct arena *arena);
/* NULL when out of memory. The verdict is there when *done; else on_done tells. */
struct trust_drive *trust_drive_start(const struct trust_task *task, bool *done);
/* dead: nobody was there who asks (503). */
const struct trust_verdict *trust_drive_verdict(const struct trust_drive *drive, bool *dead);
/* Cancels what is under way. */
void trust_drive_free(struct trust_drive *drive);

#endif
