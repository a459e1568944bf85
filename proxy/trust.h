/* Is this image signed as the policy wants it? Answers FACT_SIGNATURE: from what was verified
   before (the ledger), from the signature store, from a source of an event loop (the registry).
   Here every signature is verified; sources only fetch bytes. Whether a request may go on is for
   the policy to decide. */
#ifndef PROXY_TRUST_H
#define PROXY_TRUST_H

#include "loop.h"
#include "policy.h"
#include "trust_source.h"

#include <sys/types.h>

enum {
    TRUST_JOBS_MAX = 16,     /* verifications at a time, of one loop */
    TRUST_QUEUE_MAX = 64,    /* that wait for one of those; more are answered with FACT_FAILED */
    TRUST_HOST_JOBS_MAX = 8, /* of those jobs, of one registry: one that hangs leaves others some */
    TRUST_HOST_QUEUE_MAX = 32, /* of those that wait, likewise */
    TRUST_REFUSED_S = 30,      /* seconds that a refusal is remembered */
    TRUST_UNREACHED_S = 10,    /* the same where the registry could not be asked */
    TRUST_LEDGER_MAX = 10000   /* images that the ledger remembers */
};

struct trust;       /* of the process; all loops share it */
struct trust_rules; /* what the policy of one snapshot demands, with the keys; immutable */
struct trust_desk;  /* of one event loop: what is asked there and not answered yet */

/* ---- the process --------------------------------------------------------------------------- */

struct trust_options {
    const char *cache; /* --trust-cache FILE; NULL: what was verified is forgotten at the end */
    const char *store; /* --signature-store DIR; NULL: none */
    const char *keys;  /* --key-dir DIR */
    unsigned ttl;      /* seconds that a verdict of the ledger holds; 0: as long as its rule */
    uid_t uid;         /* of the process, or the one that it will become: may own the files */
};

/* Before the sandbox is entered: opens, locks, reads and compacts the ledger. NULL with err set. */
struct trust *trust_open(const struct trust_options *options, struct err *err);
void trust_close(struct trust *trust);

/* Reads the keys that the policy names, at the start and at each reload. *out is NULL where no role
   of the policy demands a signature. False: a file is missing, may be changed by others or holds
   no good key; errors tell file, key and remedy of each. registry: is there a source that asks
   registries? Without one a rule that needs it is an error. */
bool trust_rules_load(const struct trust_options *options, const struct policy *policy,
                      bool registry, struct trust_rules **out, struct err_list *errors);
void trust_rules_free(struct trust_rules *rules);
/* Does an entry of the policy ask a registry? rules may be NULL. */
bool trust_rules_want_registry(const struct trust_rules *rules);

/* ---- an event loop ------------------------------------------------------------------------- */

/* registry NULL: there is none. All three outlive the desk. NULL when out of memory. */
struct trust_desk *trust_desk_open(struct trust *trust, struct loop *loop,
                                   const struct trust_source *registry);
/* Whoever still waits is forgotten. Before the loop is closed. */
void trust_desk_close(struct trust_desk *desk);

/* Under what is asked. All borrowed, until the answer. */
struct trust_question {
    const struct trust_rules *rules; /* of the snapshot that decides; the asker holds it */
    const struct role *role;
    struct str auth;     /* X-Registry-Auth of the request; p NULL: none */
    struct str platform; /* ?platform= of a pull, "linux/arm64"; empty: this machine's */
};

enum trust_status {
    TRUST_DONE, /* the fact has its answer */
    TRUST_WAIT, /* it comes later: on_ready(arg) is called once, in a turn of its own, when fact
                   has it */
};

/* Answers a fact of FACT_SIGNATURE, whose name is one of
       docker.io/acme/app:1.2              resolved at the registry, and verified
       docker.io/acme/app@sha256:DIGEST    verified
       docker.io/acme/app#sha256:ID        is this image's ID known as verified: answered at once
   FACT_FOUND with a JSON object, whose members that are not known are not there:
       {"Verdict": "signed" or "refused", "Reason": "ok" or "no_signature" ..., "Text": "a
   sentence", "Digest": "sha256:...", "Ids": ["sha256:...", ...], "Mapped": true, "Key":
   "SHA256:...", "Format": "cosign-simple"} Ids: what the daemon may call the image by ID: the
   digest itself (containerd), the digests of configs of its manifests. Mapped false: the store has
   the signature and no manifest, so which configs these are is not known here; what the daemon says
   of RepoDigests tells. FACT_FAILED (503): nobody could be asked, or too many
   ask. Texts are copied into the arena, which with fact and question must stay until the answer or
   trust_cancel(). */
enum trust_status trust_ask(struct trust_desk *desk, const struct trust_question *question,
                            struct fact *fact, struct arena *arena, void (*on_ready)(void *arg),
                            void *arg);
/* Nothing that was asked with this arg is wanted any more. Cheap when nothing waits. */
void trust_cancel(struct trust_desk *desk, const void *arg);

/* A pull is finished: the daemon calls NAME@DIGEST, which was found signed under the question's
   rule for that repository ("docker.io/acme/app"), by this ID. False: it was not found signed, or
   there is no memory; nothing is recorded. From any loop. */
bool trust_record(struct trust *trust, const struct trust_question *question, struct str repository,
                  struct str digest, struct str id);

/* ---- metrics ------------------------------------------------------------------------------- */

struct trust_count {
    const char *reason; /* "ok", "no_signature" */
    uint64_t answers;   /* of that reason */
};
/* By index; false behind the last. From any thread. */
bool trust_count(struct trust *trust, size_t index, struct trust_count *out);
/* How many IDs the ledger holds. */
size_t trust_known(struct trust *trust);

#endif
