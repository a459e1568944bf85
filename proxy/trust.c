/* Questions about signatures and their answers; see trust.h. Equal ones in flight are one job; what
   was found out is kept: a yes in the ledger, a no for a short while. */
#include "trust_parts.h"

#include "image.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct trust {
    struct trust_ledger *ledger;
    const char *store; /* NULL: none */
    struct trust_refusals *refusals;
    atomic_ullong answers[TRUST_REASONS];
};

/* Who waits for a job; in the arena of what waits. */
struct waiter {
    struct waiter *next;
    struct fact *fact;
    struct arena *arena;
    void (*on_ready)(void *arg);
    void *arg;
};

/* A question that a source is asked about. */
struct job {
    struct job *next;
    struct trust_desk *desk;
    unsigned char key[TRUST_KEY_BYTES];
    uint64_t generation; /* of its rules */
    struct trust_task task;
    struct arena arena;        /* holds the texts of the task */
    struct trust_drive *drive; /* NULL: it has not begun */
    struct waiter *waiters;
    struct trust_verdict verdict; /* once it has ended */
    bool ended, dead;
    bool told; /* its waiters are being told */
};

struct trust_desk {
    struct trust *trust;
    struct loop *loop;
    const struct trust_source *source; /* NULL: none */
    struct trust_steps steps;
    struct job *jobs;        /* in the order that they came */
    size_t running, waiting; /* of those: begun; not begun yet */
    struct task task;        /* to begin what waits and to tell what has ended */
};

/* One question, as far as it is understood. */
struct asked {
    const struct trust_question *question;
    const struct trust_rule *rule;
    struct signature_question name;
    struct image_ref ref;
};

/* ---- the process ----------------------------------------------------------------------------- */

struct trust *trust_open(const struct trust_options *options, struct err *err)
{
    struct trust *trust = calloc(1, sizeof *trust);
    if (!trust) {
        err_set(err, 0, 0, "out of memory");
        return NULL;
    }
    trust->refusals = trust_refusals_new();
    trust->store = options->store;
    trust->ledger = trust_ledger_open(options->cache, options->ttl, options->uid, err);
    if (trust->ledger && trust->refusals)
        return trust;
    err_set(err, 0, 0, "out of memory");
    trust_close(trust);
    return NULL;
}

void trust_close(struct trust *trust)
{
    if (!trust)
        return;
    trust_ledger_close(trust->ledger);
    trust_refusals_free(trust->refusals);
    free(trust);
}

bool trust_count(struct trust *trust, size_t index, struct trust_count *out)
{
    if (index >= TRUST_REASONS)
        return false;
    *out = (struct trust_count){.reason = trust_reason_name((unsigned)index),
                                .answers = atomic_load(&trust->answers[index])};
    return true;
}

size_t trust_known(struct trust *trust)
{
    return trust_ledger_size(trust->ledger);
}

/* ---- keys of questions ----------------------------------------------------------------------- */

/* What has the same key has the same answer: name, rule and keys, platform, who asks. */
static bool key_of(const struct asked *asked, struct str name, unsigned char key[TRUST_KEY_BYTES])
{
    const struct trust_question *question = asked->question;
    const struct str parts[] = {name, str_of(asked->rule->hash), question->platform,
                                question->auth};
    uint64_t generation = question->rules->generation;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(md, &generation, sizeof generation) == 1;
    for (size_t i = 0; i < ARRAY_LEN(parts) && ok; i++)
        ok = EVP_DigestUpdate(md, &parts[i].n, sizeof parts[i].n) == 1 &&
             EVP_DigestUpdate(md, parts[i].p ? parts[i].p : "", parts[i].n) == 1;
    ok = ok && EVP_DigestFinal_ex(md, key, NULL) == 1;
    EVP_MD_CTX_free(md);
    return ok;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void fail_fact(struct fact *fact, struct arena *arena, const char *why)
{
    fact->text = arena_copy(arena, str_of(why));
    fact->state = FACT_FAILED;
}

static void answer(struct trust *trust, const struct trust_verdict *verdict, struct fact *fact,
                   struct arena *arena)
{
    atomic_fetch_add(&trust->answers[verdict->reason], 1);
    fact->text = trust_verdict_write(verdict, arena);
    fact->state = fact->text.n > 0 ? FACT_FOUND : FACT_FAILED;
}

/* ---- without a source ------------------------------------------------------------------------ */

static struct trust_subject subject_of(const struct asked *asked)
{
    return (struct trust_subject){
        .rule = asked->rule,
        .image = {.repository = asked->ref.name,
                  .tag = asked->name.tag,
                  .digest = asked->name.digest,
                  .now = time(NULL)},
        .host = asked->ref.registry,
        .path = asked->ref.repository,
    };
}

static bool uses_store(const struct trust *trust, const struct trust_rule *rule)
{
    return trust->store && rule->source != SIGNED_REGISTRY;
}

/* Where nobody else can tell. */
static void refuse_unknown(const struct asked *asked, struct trust_verdict *out)
{
    *out = (struct trust_verdict){0};
    if (asked->name.id.n)
        trust_refuse(out, TRUST_ID_UNKNOWN, "no image with this ID is known to be signed");
    else
        trust_refuse(out, TRUST_REGISTRY_ERROR, "no registry can be asked from here");
}

/* By digest and by ID: what is known, and what the store tells. False: a source could tell more.
   The ledger's IDs are digests of manifests and of configs; that of a config is none by which to
   pull, so what is known only as an ID is looked for again when it is asked for by digest. */
static bool judge_here(struct trust_desk *desk, const struct asked *asked,
                       const unsigned char key[TRUST_KEY_BYTES], struct trust_verdict *out)
{
    struct trust *trust = desk->trust;
    struct trust_subject subject = subject_of(asked);
    struct str wanted = asked->name.id.n ? asked->name.id : asked->name.digest;
    bool registry = asked->rule->source != SIGNED_STORE && desk->source && !asked->name.id.n;
    if (trust_ledger_find(trust->ledger, asked->ref.name, asked->rule->hash, wanted, time(NULL),
                          out) &&
        (asked->name.id.n || str_is(wanted, out->digest))) {
        trust_say(&desk->steps, "it was verified before: the ledger has it");
        return !registry || !asked->question->platform.n;
    }
    if (trust_refusals_find(trust->refusals, key, out))
        return true;
    refuse_unknown(asked, out);
    if (uses_store(trust, asked->rule) && asked->name.id.n)
        trust_store_judge_id(trust->store, &subject, wanted, &desk->steps, out);
    else if (uses_store(trust, asked->rule))
        trust_store_judge(trust->store, &subject, &desk->steps, out);
    if (out->reason == SIGN_OK)
        trust_ledger_keep(trust->ledger, asked->rule, asked->ref.name, out);
    else if (!registry)
        trust_refusals_add(trust->refusals, key, out);
    return out->reason == SIGN_OK || !registry;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void free_job(struct job *job)
{
    trust_drive_free(job->drive);
    arena_free(&job->arena);
    free(job);
}

static struct str name_by_digest(const struct job *job, struct str digest, struct arena *arena)
{
    const struct str parts[] = {job->task.subject.image.repository, STR("@"), digest};
    return arena_join(arena, parts, ARRAY_LEN(parts));
}

/* The key of what a tag was resolved to, as if the digest had been asked for. */
static bool resolved_key(const struct job *job, struct str digest, struct arena *arena,
                         unsigned char key[TRUST_KEY_BYTES])
{
    struct trust_rules rules = {.generation = job->generation};
    struct trust_question question = {
        .rules = &rules, .auth = job->task.auth, .platform = job->task.platform};
    struct asked asked = {.question = &question, .rule = job->task.subject.rule};
    struct str name = name_by_digest(job, digest, arena);
    return name.p && key_of(&asked, name, key);
}

/* Tags with an exact identity are judged with their tag, so nothing of that is kept by digest. */
static bool binds_tag(const struct job *job)
{
    return job->task.subject.image.tag.n > 0 && job->task.subject.rule->sign.identity == SIGN_EXACT;
}

/* The source has told which digest it is: perhaps no more is needed. */
static bool on_digest(void *arg, struct str digest, struct trust_verdict *out)
{
    struct job *job = arg;
    struct trust *trust = job->desk->trust;
    struct trust_subject subject = job->task.subject;
    unsigned char key[TRUST_KEY_BYTES];
    struct arena arena = {.limit = 0};
    subject.image.digest = digest;
    if (!binds_tag(job) && trust_ledger_find(trust->ledger, subject.image.repository,
                                             subject.rule->hash, digest, time(NULL), out)) {
        trust_say(&job->desk->steps, "it was verified before: the ledger has it");
        out->id_count = 0; /* of this platform they are found again */
        out->mapped = false;
        return true;
    }
    bool tagged = subject.image.tag.n > 0 && !binds_tag(job);
    bool refused = tagged && resolved_key(job, digest, &arena, key) &&
                   trust_refusals_find(trust->refusals, key, out);
    arena_free(&arena);
    if (refused || !tagged || !uses_store(trust, subject.rule))
        return refused;
    trust_store_judge(trust->store, &subject, &job->desk->steps, out);
    return out->reason == SIGN_OK;
}

/* The verdict is there: what is learned of it is kept. */
static void end_job(struct job *job)
{
    struct trust_desk *desk = job->desk;
    unsigned char key[TRUST_KEY_BYTES];
    struct arena arena = {.limit = 0};
    job->verdict = *trust_drive_verdict(job->drive, &job->dead);
    job->ended = true;
    desk->running--;
    const struct trust_verdict *verdict = &job->verdict;
    bool unreached = verdict->reason == TRUST_REGISTRY_ERROR || verdict->reason == TRUST_NOT_FOUND;
    if (verdict->reason == SIGN_OK)
        trust_ledger_keep(desk->trust->ledger, job->task.subject.rule,
                          job->task.subject.image.repository, verdict);
    else if (!job->dead && (unreached || job->task.subject.image.tag.n == 0))
        trust_refusals_add(desk->trust->refusals, job->key, verdict);
    else if (!job->dead && !binds_tag(job) && verdict->digest[0] &&
             resolved_key(job, str_of(verdict->digest), &arena, key))
        trust_refusals_add(desk->trust->refusals, key, verdict);
    arena_free(&arena);
}

static void on_driven(void *arg)
{
    struct job *job = arg;
    end_job(job);
    loop_again(job->desk->loop, &job->desk->task);
}

/* Begins it. A job without memory has ended, too. */
static void begin_job(struct job *job)
{
    bool done = false;
    job->desk->running++;
    job->drive = trust_drive_start(&job->task, &done);
    if (job->drive && done) {
        end_job(job);
    } else if (!job->drive) {
        job->desk->running--;
        job->ended = job->dead = true;
        trust_refuse(&job->verdict, SIGN_LIMIT, "out of memory");
    }
}

static void settle(struct trust *trust, const struct job *job, struct fact *fact,
                   struct arena *arena)
{
    if (job->dead)
        fail_fact(fact, arena, job->verdict.text);
    else
        answer(trust, &job->verdict, fact, arena);
}

static void unlink_job(struct trust_desk *desk, const struct job *job)
{
    for (struct job **at = &desk->jobs; *at; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            return;
        }
}

/* Whoever is told may ask and cancel at once. */
static void tell(struct trust_desk *desk, struct job *job)
{
    job->told = true;
    while (job->waiters) {
        struct waiter *waiter = job->waiters;
        void (*on_ready)(void *arg) = waiter->on_ready;
        void *arg = waiter->arg;
        job->waiters = waiter->next;
        settle(desk->trust, job, waiter->fact, waiter->arena);
        on_ready(arg);
    }
    unlink_job(desk, job);
    free_job(job);
}

static struct job *next_ended(const struct trust_desk *desk)
{
    struct job *job = desk->jobs;
    while (job && !(job->ended && !job->told))
        job = job->next;
    return job;
}

/* How many jobs of this registry are under way, or wait. */
static size_t count_jobs(const struct trust_desk *desk, struct str host, bool waiting)
{
    size_t count = 0;
    for (const struct job *job = desk->jobs; job; job = job->next)
        count += !job->ended && !job->drive == waiting && str_eq(job->task.subject.host, host);
    return count;
}

static bool has_room(const struct trust_desk *desk, struct str host)
{
    return desk->running < TRUST_JOBS_MAX && count_jobs(desk, host, false) < TRUST_HOST_JOBS_MAX;
}

static struct job *next_waiting(const struct trust_desk *desk)
{
    struct job *job = desk->waiting > 0 ? desk->jobs : NULL;
    while (job && (job->drive || job->ended || !has_room(desk, job->task.subject.host)))
        job = job->next;
    return job;
}

static void run(void *arg)
{
    struct trust_desk *desk = arg;
    for (struct job *job = next_waiting(desk); job; job = next_waiting(desk)) {
        desk->waiting--;
        begin_job(job);
    }
    for (struct job *job = next_ended(desk); job; job = next_ended(desk))
        tell(desk, job);
    if (next_waiting(desk))
        loop_again(desk->loop, &desk->task);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool add_waiter(struct job *job, const struct waiter *who)
{
    struct waiter *waiter = arena_alloc(who->arena, 1, sizeof *waiter);
    if (!waiter)
        return false;
    *waiter = *who;
    waiter->next = job->waiters;
    job->waiters = waiter;
    return true;
}

static struct job *find_job(const struct trust_desk *desk, const unsigned char key[TRUST_KEY_BYTES])
{
    struct job *job = desk->jobs;
    while (job && (job->told || memcmp(job->key, key, TRUST_KEY_BYTES) != 0))
        job = job->next;
    return job;
}

static struct job *new_job(struct trust_desk *desk, const struct asked *asked,
                           const unsigned char key[TRUST_KEY_BYTES])
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->desk = desk;
    job->generation = asked->question->rules->generation;
    memcpy(job->key, key, TRUST_KEY_BYTES);
    job->task = (struct trust_task){.subject = subject_of(asked),
                                    .auth = asked->question->auth,
                                    .platform = asked->question->platform,
                                    .source = desk->source,
                                    .known = on_digest,
                                    .arg = job,
                                    .on_done = on_driven,
                                    .steps = desk->steps};
    if (trust_task_copy(&job->task, &job->arena))
        return job;
    free_job(job);
    return NULL;
}

static void append_job(struct trust_desk *desk, struct job *job)
{
    struct job **at = &desk->jobs;
    while (*at)
        at = &(*at)->next;
    *at = job;
}

static enum trust_status failed(struct fact *fact, struct arena *arena, const char *why)
{
    fail_fact(fact, arena, why);
    return TRUST_DONE;
}

static enum trust_status ask_source(struct trust_desk *desk, const struct asked *asked,
                                    const unsigned char key[TRUST_KEY_BYTES],
                                    const struct waiter *who)
{
    struct job *job = find_job(desk, key);
    if (job && add_waiter(job, who))
        return TRUST_WAIT;
    struct str host = asked->ref.registry;
    bool room = has_room(desk, host);
    if (!room &&
        (desk->waiting >= TRUST_QUEUE_MAX || count_jobs(desk, host, true) >= TRUST_HOST_QUEUE_MAX))
        return failed(who->fact, who->arena, "too many signatures are being verified just now");
    job = job ? NULL : new_job(desk, asked, key);
    if (!job || !add_waiter(job, who)) {
        if (job)
            free_job(job);
        return failed(who->fact, who->arena, "out of memory");
    }
    if (room)
        begin_job(job);
    if (job->ended) {
        settle(desk->trust, job, who->fact, who->arena);
        free_job(job);
        return TRUST_DONE;
    }
    desk->waiting += !room;
    append_job(desk, job);
    return TRUST_WAIT;
}

/* False: the fact has its answer, that it cannot be asked so. */
static bool understand(const struct trust_question *question, struct fact *fact,
                       struct arena *arena, struct asked *out)
{
    struct signed_entry entry;
    *out = (struct asked){.question = question};
    if (!fact_signature(fact, &out->name) || !image_parse(out->name.repository, arena, &out->ref) ||
        out->ref.tag.n || out->ref.digest.n || !str_eq(out->ref.name, out->name.repository) ||
        (out->name.digest.n && !sign_digest_valid(out->name.digest)) ||
        (out->name.id.n && !sign_digest_valid(out->name.id))) {
        fail_fact(fact, arena, "it is not the name of an image");
        return false;
    }
    out->rule = question->role && role_signed_entry(question->role, out->ref.name, &entry)
                    ? trust_rules_find(question->rules, &entry)
                    : NULL;
    if (!out->rule)
        fail_fact(fact, arena, "no rule for its signatures is loaded");
    return out->rule != NULL;
}

enum trust_status trust_ask(struct trust_desk *desk, const struct trust_question *question,
                            struct fact *fact, struct arena *arena, void (*on_ready)(void *arg),
                            void *arg)
{
    struct asked asked;
    struct trust_verdict verdict = {0};
    unsigned char key[TRUST_KEY_BYTES];
    if (!understand(question, fact, arena, &asked))
        return TRUST_DONE;
    if (!key_of(&asked, fact->name, key))
        return failed(fact, arena, "out of memory");
    bool done = false;
    if (asked.rule->sign.formats == 0) {
        trust_refuse(&verdict, SIGN_NO_SIGNATURE,
                     "the policy takes no signature for it, only digests and ids");
        done = true;
    } else if (!asked.name.tag.n) {
        done = judge_here(desk, &asked, key, &verdict);
    } else if (asked.rule->source == SIGNED_STORE || !desk->source) {
        trust_refuse(&verdict, TRUST_TAG_UNRESOLVED,
                     "the signature store does not tell what a tag stands for: name the image by "
                     "its digest (NAME@sha256:...)");
        done = true;
    } else {
        done = trust_refusals_find(desk->trust->refusals, key, &verdict);
    }
    if (done) {
        answer(desk->trust, &verdict, fact, arena);
        return TRUST_DONE;
    }
    const struct waiter who = {NULL, fact, arena, on_ready, arg};
    return ask_source(desk, &asked, key, &who);
}

/* Drops who waits with this arg. */
static void drop_waiters(struct job *job, const void *arg)
{
    for (struct waiter **at = &job->waiters; *at;) {
        struct waiter *waiter = *at;
        if (waiter->arg == arg)
            *at = waiter->next;
        else
            at = &waiter->next;
    }
}

void trust_cancel(struct trust_desk *desk, const void *arg)
{
    for (struct job *job = desk->jobs, *next; job; job = next) {
        next = job->next;
        drop_waiters(job, arg);
        if (job->waiters || job->told)
            continue;
        desk->waiting -= !job->drive && !job->ended;
        desk->running -= job->drive && !job->ended;
        unlink_job(desk, job);
        free_job(job);
    }
    if (next_waiting(desk))
        loop_again(desk->loop, &desk->task);
}

bool trust_record(struct trust *trust, const struct trust_question *question, struct str repository,
                  struct str digest, struct str id)
{
    struct signed_entry entry;
    struct trust_verdict verdict = {0};
    const struct trust_rule *rule = role_signed_entry(question->role, repository, &entry)
                                        ? trust_rules_find(question->rules, &entry)
                                        : NULL;
    if (!rule || !sign_digest_valid(digest) || !sign_digest_valid(id) ||
        !trust_ledger_find(trust->ledger, repository, rule->hash, digest, time(NULL), &verdict))
        return false;
    snprintf(verdict.digest, sizeof verdict.digest, "%.*s", STR_ARG(digest));
    verdict.id_count = 0;
    trust_add_id(&verdict, id);
    trust_ledger_keep(trust->ledger, rule, repository, &verdict);
    return true;
}

/* ---- a desk ---------------------------------------------------------------------------------- */

struct trust_desk *trust_desk_open(struct trust *trust, struct loop *loop,
                                   const struct trust_source *registry)
{
    struct trust_desk *desk = calloc(1, sizeof *desk);
    if (!desk)
        return NULL;
    desk->trust = trust;
    desk->loop = loop;
    desk->source = registry;
    desk->task = (struct task){.run = run, .arg = desk};
    return desk;
}

void trust_desk_close(struct trust_desk *desk)
{
    if (!desk)
        return;
    loop_cancel(desk->loop, &desk->task);
    while (desk->jobs) {
        struct job *job = desk->jobs;
        desk->jobs = job->next;
        free_job(job);
    }
    free(desk);
}

void trust_desk_tell(struct trust_desk *desk, const struct trust_steps *steps)
{
    desk->steps = *steps;
}
