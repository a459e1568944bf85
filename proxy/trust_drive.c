/* The way from a name to a verdict through a source: the image's manifest, what may sign it, one
   signature after another until one is good, then the manifests whose IDs that covers. Each answer
   is checked against the digest that it was asked by; where the source errs, the image is refused.
   It asks one thing at a time and waits for nobody. */
#include "trust_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LIST_MAX = 1 << 20,        /* bytes of a list of signatures, or of one's manifest */
    DRIVE_BYTES_MAX = 24 << 20 /* of all that one image's way needs */
};

enum step {
    STEP_IMAGE,
    STEP_COSIGN,
    STEP_PAYLOAD,
    STEP_REFERRERS,
    STEP_REFERRERS_TAG, /* where the registry has no list of referrers */
    STEP_REFERRER,
    STEP_BLOB,
    STEP_CHILD,
    STEP_END
};

struct trust_drive {
    struct trust_task task;
    struct arena arena;
    enum step step;
    struct trust_want want; /* what is asked just now */
    struct trust_fetch fetch;
    bool asked;                   /* and not answered */
    struct sign_manifest image;   /* manifest or index that was asked for */
    struct sign_candidates found; /* in the list of this step */
    size_t at;                    /* of those */
    struct sign_descriptor blob;  /* of the referrer at hand */
    enum sign_format format;
    size_t children[TRUST_CHILDREN_MAX]; /* of the image, for this platform */
    size_t child_count, child_at;
    struct sign_verdict best;
    struct trust_verdict verdict;
    bool dead;
};

static bool on_image(struct trust_drive *drive);
static bool on_cosign(struct trust_drive *drive);
static bool on_payload(struct trust_drive *drive);
static bool on_referrers(struct trust_drive *drive);
static bool on_referrers_tag(struct trust_drive *drive);
static bool on_referrer(struct trust_drive *drive);
static bool on_blob(struct trust_drive *drive);
static bool on_child(struct trust_drive *drive);

static const struct sign_rule *rule_of(const struct trust_drive *drive)
{
    return &drive->task.subject.rule->sign;
}

static struct sign_image *image_of(struct trust_drive *drive)
{
    return &drive->task.subject.image;
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* All ends but a yes. Returns false: nothing is asked any more. */
static bool end(struct trust_drive *drive)
{
    drive->step = STEP_END;
    if (drive->verdict.reason != SIGN_OK && drive->verdict.text[0] == '\0')
        trust_take(&drive->verdict, &drive->best);
    return false;
}

static bool end_as(struct trust_drive *drive, unsigned reason, const char *text)
{
    trust_refuse(&drive->verdict, reason, "%s", text);
    return end(drive);
}

static void keep(struct trust_drive *drive, const struct sign_verdict *one)
{
    if (one->reason == SIGN_OK)
        trust_say(&drive->task.steps, "%s, signed by %s", sign_format_name(one->format), one->key);
    else
        trust_say(&drive->task.steps, "%s: %s", sign_reason_name(one->reason), one->text);
    sign_keep(&drive->best, one);
}

static void keep_refusal(struct trust_drive *drive, enum sign_reason reason, const char *text)
{
    struct sign_verdict one;
    sign_refuse(&one, reason, "%s", text);
    keep(drive, &one);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool ask(struct trust_drive *drive, enum step step, enum trust_kind kind,
                struct str reference, size_t max)
{
    const struct trust_subject *subject = &drive->task.subject;
    if (!reference.p)
        return end_as(drive, SIGN_LIMIT, "out of memory");
    drive->step = step;
    drive->want = (struct trust_want){.kind = kind,
                                      .host = subject->host,
                                      .repository = subject->path,
                                      .reference = reference,
                                      .max = max,
                                      .auth = drive->task.auth};
    return true;
}

static bool ask_image(struct trust_drive *drive)
{
    const struct sign_image *image = image_of(drive);
    return ask(drive, STEP_IMAGE, TRUST_MANIFEST, image->digest.n ? image->digest : image->tag,
               SIGN_MANIFEST_MAX);
}

static bool ask_referrers(struct trust_drive *drive)
{
    if (!(rule_of(drive)->formats & (BIT(SIGN_SIGSTORE_BUNDLE) | BIT(SIGN_NOTATION_JWS))))
        return end(drive);
    return ask(drive, STEP_REFERRERS, TRUST_REFERRERS, drive->image.digest, LIST_MAX);
}

static bool ask_referrers_tag(struct trust_drive *drive)
{
    const struct str parts[] = {STR("sha256-"), str_skip(drive->image.digest, strlen("sha256:"))};
    return ask(drive, STEP_REFERRERS_TAG, TRUST_MANIFEST,
               arena_join(&drive->arena, parts, ARRAY_LEN(parts)), LIST_MAX);
}

static bool ask_signatures(struct trust_drive *drive)
{
    if (!(rule_of(drive)->formats & BIT(SIGN_COSIGN_SIMPLE)))
        return ask_referrers(drive);
    return ask(drive, STEP_COSIGN, TRUST_MANIFEST,
               sign_cosign_tag(drive->image.digest, &drive->arena), LIST_MAX);
}

static bool ask_payload(struct trust_drive *drive)
{
    if (drive->at == drive->found.count)
        return ask_referrers(drive);
    return ask(drive, STEP_PAYLOAD, TRUST_BLOB, drive->found.items[drive->at].digest,
               SIGN_BLOB_MAX);
}

static bool ask_referrer(struct trust_drive *drive)
{
    if (drive->at == drive->found.count)
        return end(drive);
    return ask(drive, STEP_REFERRER, TRUST_MANIFEST, drive->found.items[drive->at].digest,
               LIST_MAX);
}

static bool ask_child(struct trust_drive *drive)
{
    if (drive->child_at == drive->child_count)
        return end(drive);
    const struct sign_descriptor *child = &drive->image.children[drive->children[drive->child_at]];
    return ask(drive, STEP_CHILD, TRUST_MANIFEST, child->digest, SIGN_MANIFEST_MAX);
}

/* ---- platforms ------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define MACHINE "amd64"
#define RELATED "386" /* that it runs, too */
#elif defined(__aarch64__)
#define MACHINE "arm64"
#define RELATED "arm"
#elif defined(__arm__)
#define MACHINE "arm"
#define RELATED ""
#elif defined(__i386__)
#define MACHINE "386"
#define RELATED ""
#elif defined(__powerpc64__)
#define MACHINE "ppc64le"
#define RELATED ""
#elif defined(__s390x__)
#define MACHINE "s390x"
#define RELATED ""
#elif defined(__riscv)
#define MACHINE "riscv64"
#define RELATED ""
#else
#define MACHINE ""
#define RELATED ""
#endif

static struct str cut_part(struct str *rest)
{
    struct str part = str_head(*rest, str_find(*rest, '/'));
    *rest = str_skip(*rest, part.n + 1);
    return part;
}

static void choose(struct trust_drive *drive, struct str os, struct str architecture,
                   struct str variant)
{
    for (size_t i = 0; i < drive->image.child_count; i++) {
        const struct sign_descriptor *child = &drive->image.children[i];
        bool fits = str_eq(child->architecture, architecture) &&
                    (os.n == 0 || child->os.n == 0 || str_eq(child->os, os)) &&
                    (variant.n == 0 || child->variant.n == 0 || str_eq(child->variant, variant));
        if (fits && drive->child_count < TRUST_CHILDREN_MAX)
            drive->children[drive->child_count++] = i;
    }
}

/* Those that the daemon would choose from: of the platform that is asked for, else of this
   machine's, else those that tell none. */
static void choose_children(struct trust_drive *drive)
{
    struct str rest = drive->task.platform;
    struct str first = cut_part(&rest);
    struct str second = cut_part(&rest);
    if (first.n > 0 && second.n > 0)
        choose(drive, first, second, rest);
    else if (first.n > 0) /* "linux", or "arm64" */
        choose(drive, STR(""), str_is(first, "linux") ? STR(MACHINE) : first, STR(""));
    else
        choose(drive, STR("linux"), STR(MACHINE), STR(""));
    if (drive->child_count == 0 && first.n == 0)
        choose(drive, STR("linux"), STR(RELATED), STR(""));
    if (drive->child_count == 0)
        choose(drive, STR(""), STR(""), STR(""));
}

/* ---- answers --------------------------------------------------------------------------------- */

/* The image is signed: what may the daemon call it? */
static bool on_signed(struct trust_drive *drive)
{
    struct trust_verdict *verdict = &drive->verdict;
    snprintf(verdict->digest, sizeof verdict->digest, "%.*s", STR_ARG(drive->image.digest));
    trust_add_id(verdict, drive->image.digest);
    if (!drive->image.is_index) {
        trust_add_id(verdict, drive->image.config);
        verdict->mapped = true;
        return end(drive);
    }
    choose_children(drive);
    return ask_child(drive);
}

static bool take_signature(struct trust_drive *drive, const struct sign_verdict *one)
{
    keep(drive, one);
    if (one->reason != SIGN_OK)
        return false;
    trust_take(&drive->verdict, one);
    return true;
}

static bool on_image(struct trust_drive *drive)
{
    struct sign_verdict refusal;
    struct sign_image *image = image_of(drive);
    const struct trust_fetch *fetch = &drive->fetch;
    char digest[SIGN_DIGEST_BYTES + 1];
    if (fetch->outcome == TRUST_ABSENT)
        return end_as(drive, TRUST_NOT_FOUND, "the registry has no such image");
    if (fetch->outcome == TRUST_LARGE)
        return end_as(drive, SIGN_LIMIT, "its manifest is larger than 4 MiB");
    if (!sign_digest_write(fetch->bytes, digest))
        return end_as(drive, SIGN_LIMIT, "its manifest cannot be hashed");
    if (image->digest.n == 0)
        image->digest = arena_copy(&drive->arena, str_of(digest));
    if (!sign_manifest_read(fetch->bytes, image->digest, &drive->arena, &drive->image, &refusal)) {
        keep(drive, &refusal);
        return end(drive);
    }
    trust_say(&drive->task.steps, "%s %s", drive->image.is_index ? "index" : "manifest", digest);
    image->media_type = drive->image.media_type;
    image->size = drive->image.size;
    snprintf(drive->verdict.digest, sizeof drive->verdict.digest, "%s", digest);
    struct trust_verdict known = {0};
    if (!drive->task.known || !drive->task.known(drive->task.arg, image->digest, &known))
        return ask_signatures(drive);
    drive->verdict = known;
    return known.reason == SIGN_OK ? on_signed(drive) : end(drive);
}

static bool on_cosign(struct trust_drive *drive)
{
    struct sign_verdict refusal;
    drive->at = drive->found.count = 0;
    if (drive->fetch.outcome == TRUST_ABSENT)
        trust_say(&drive->task.steps, "no signatures of cosign's tag scheme");
    else if (drive->fetch.outcome == TRUST_LARGE)
        keep_refusal(drive, SIGN_LIMIT, "the list of signatures is larger than 1 MiB");
    else if (!sign_cosign_list(drive->fetch.bytes, &drive->arena, &drive->found, &refusal)) {
        keep(drive, &refusal);
        drive->found.count = 0;
    }
    return ask_payload(drive);
}

static bool on_payload(struct trust_drive *drive)
{
    struct sign_verdict one;
    const struct sign_descriptor *layer = &drive->found.items[drive->at++];
    if (drive->fetch.outcome != TRUST_GOT)
        sign_refuse(&one, SIGN_BLOB_DIGEST, "a signature's payload is not there, or too large");
    else
        sign_cosign_judge(rule_of(drive), image_of(drive), layer, drive->fetch.bytes, &drive->arena,
                          &one);
    return take_signature(drive, &one) ? on_signed(drive) : ask_payload(drive);
}

static bool take_referrers(struct trust_drive *drive)
{
    struct sign_verdict refusal;
    drive->at = drive->found.count = 0;
    if (drive->fetch.outcome == TRUST_LARGE)
        keep_refusal(drive, SIGN_LIMIT, "the list of referrers is larger than 1 MiB");
    else if (!sign_referrers_list(rule_of(drive), drive->fetch.bytes, &drive->arena, &drive->found,
                                  &refusal)) {
        keep(drive, &refusal);
        drive->found.count = 0;
    }
    return ask_referrer(drive);
}

static bool on_referrers(struct trust_drive *drive)
{
    return drive->fetch.outcome == TRUST_ABSENT ? ask_referrers_tag(drive) : take_referrers(drive);
}

static bool on_referrers_tag(struct trust_drive *drive)
{
    if (drive->fetch.outcome != TRUST_ABSENT)
        return take_referrers(drive);
    trust_say(&drive->task.steps, "no referrers");
    return end(drive);
}

static bool on_referrer(struct trust_drive *drive)
{
    struct sign_verdict one = {0};
    const struct sign_descriptor *referrer = &drive->found.items[drive->at];
    if (drive->fetch.outcome != TRUST_GOT)
        sign_refuse(&one, SIGN_BLOB_DIGEST, "a referrer is not there, or too large");
    else if (sign_referrer_read(rule_of(drive), image_of(drive), referrer, drive->fetch.bytes,
                                &drive->arena, &drive->blob, &drive->format, &one))
        return ask(drive, STEP_BLOB, TRUST_BLOB, drive->blob.digest, SIGN_BLOB_MAX);
    keep(drive, &one);
    drive->at++;
    return ask_referrer(drive);
}

static bool on_blob(struct trust_drive *drive)
{
    struct sign_verdict one;
    drive->at++;
    if (drive->fetch.outcome != TRUST_GOT)
        sign_refuse(&one, SIGN_BLOB_DIGEST, "a signature's bytes are not there, or too large");
    else
        sign_referrer_judge(rule_of(drive), image_of(drive), &drive->blob, drive->format,
                            drive->fetch.bytes, &drive->arena, &one);
    return take_signature(drive, &one) ? on_signed(drive) : ask_referrer(drive);
}

/* A manifest that is not there, or not as the index says, adds no ID. */
static bool on_child(struct trust_drive *drive)
{
    struct sign_manifest child;
    struct sign_verdict refusal;
    struct trust_verdict *verdict = &drive->verdict;
    struct str digest = drive->image.children[drive->children[drive->child_at++]].digest;
    if (drive->fetch.outcome == TRUST_GOT &&
        sign_manifest_read(drive->fetch.bytes, digest, &drive->arena, &child, &refusal) &&
        sign_child_listed(&drive->image, &child, &refusal)) {
        trust_say(&drive->task.steps, "it lists the manifest %.*s", STR_ARG(digest));
        trust_add_id(verdict, digest);
        if (!child.is_index)
            trust_add_id(verdict, child.config);
        verdict->mapped |= !child.is_index;
    }
    return ask_child(drive);
}

/* ---- the way --------------------------------------------------------------------------------- */

/* Takes one answer in. False: that was the last. */
static bool take(struct trust_drive *drive)
{
    static bool (*const takes[])(struct trust_drive * drive) = {
        [STEP_IMAGE] = on_image,
        [STEP_COSIGN] = on_cosign,
        [STEP_PAYLOAD] = on_payload,
        [STEP_REFERRERS] = on_referrers,
        [STEP_REFERRERS_TAG] = on_referrers_tag,
        [STEP_REFERRER] = on_referrer,
        [STEP_BLOB] = on_blob,
        [STEP_CHILD] = on_child,
    };
    const struct trust_fetch *fetch = &drive->fetch;
    char text[256];
    drive->dead = fetch->outcome == TRUST_DEAD;
    if (fetch->outcome == TRUST_DEAD || fetch->outcome == TRUST_ERROR) {
        snprintf(text, sizeof text, "the registry %.*s: %s",
                 STR_ARG(str_head(drive->want.host, 40)),
                 fetch->error[0] ? fetch->error : "it does not answer");
        trust_say(&drive->task.steps, "%s", text);
        return end_as(drive, TRUST_REGISTRY_ERROR, text);
    }
    if (fetch->outcome == TRUST_GOT && drive->want.kind == TRUST_MANIFEST && fetch->digest.n > 0 &&
        !sign_digest_of(fetch->bytes, fetch->digest))
        return end_as(drive, SIGN_BLOB_DIGEST,
                      "the registry's manifest is not the one whose digest it names");
    return takes[drive->step](drive);
}

static void on_fetched(void *arg);

/* Asks until an answer takes time. True: the verdict is there. */
static bool go(struct trust_drive *drive, bool more)
{
    while (more) {
        drive->fetch =
            (struct trust_fetch){.on_done = on_fetched, .arg = drive, .arena = &drive->arena};
        drive->asked = true;
        if (!drive->task.source->fetch(drive->task.source->self, &drive->want, &drive->fetch))
            return false;
        drive->asked = false;
        more = take(drive);
    }
    return true;
}

static void on_fetched(void *arg)
{
    struct trust_drive *drive = arg;
    drive->asked = false;
    if (go(drive, take(drive)))
        drive->task.on_done(drive->task.arg);
}

bool trust_task_copy(struct trust_task *task, struct arena *arena)
{
    struct trust_subject *subject = &task->subject;
    struct str *const texts[] = {
        &subject->host,      &subject->path,         &subject->image.repository,
        &subject->image.tag, &subject->image.digest, &task->auth,
        &task->platform,
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!texts[i]->p)
            continue;
        *texts[i] = arena_copy(arena, *texts[i]);
        if (!texts[i]->p)
            return false;
    }
    return true;
}

struct trust_drive *trust_drive_start(const struct trust_task *task, bool *done)
{
    struct trust_drive *drive = calloc(1, sizeof *drive);
    if (!drive)
        return NULL;
    drive->task = *task;
    drive->arena.limit = DRIVE_BYTES_MAX;
    sign_nothing(&drive->best);
    *done = go(drive, ask_image(drive));
    return drive;
}

const struct trust_verdict *trust_drive_verdict(const struct trust_drive *drive, bool *dead)
{
    *dead = drive->dead;
    return &drive->verdict;
}

void trust_drive_free(struct trust_drive *drive)
{
    if (!drive)
        return;
    if (drive->asked)
        drive->task.source->cancel(drive->task.source->self, &drive->fetch);
    arena_free(&drive->arena);
    free(drive);
}
