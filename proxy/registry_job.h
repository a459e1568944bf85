/* The parts of a question on its way, for the files of the registry client alone. */
#ifndef PROXY_REGISTRY_JOB_H
#define PROXY_REGISTRY_JOB_H

#include "arena.h"
#include "registry_fetch.h"
#include "registry_http.h"
#include "trust_source.h"

enum {
    REGISTRY_REDIRECTS_MAX = 3,
    REGISTRY_CONNECT_MS = 10000,
    REGISTRY_HEADER_MAX = 64 << 10,  /* bytes of one answer's head */
    REGISTRY_IGNORED_MAX = 64 << 10, /* bytes of a body that only explains an error */
    REGISTRY_TOKENS_MAX = 64,        /* that are kept */
    REGISTRY_JOB_MAX = 1 << 20,      /* bytes of a job's texts */
};

/* What all that are asked like this were told to bring. */
struct registry_kept {
    unsigned char key[32];
    char *header; /* owned; NULL: the slot is free; empty: the login itself, by Basic */
    uint64_t until_ms;
};

enum registry_stage { REGISTRY_AT_REGISTRY, REGISTRY_AT_TOKEN };

struct registry_job {
    struct registry_job *next;
    struct registry_fetcher *fetcher;
    unsigned line;
    struct registry_ask ask; /* its texts in the arena */
    struct arena arena;
    CURL *easy; /* NULL: waits in the queue */
    struct curl_slist *headers;
    enum registry_stage stage;
    bool plain;              /* the registry is asked by plain HTTP */
    struct registry_url own; /* where the registry is */
    struct str url;          /* of this step */
    struct registry_url at;
    struct str authorization; /* header for the registry's own host; empty: none */
    bool cached;              /* it came from the tokens that are kept */
    bool challenged;          /* a challenge has been answered */
    bool by_basic;            /* what it wants is the login itself */
    unsigned token_seconds;
    unsigned redirects;
    uint64_t deadline_ms;
    bool guarded; /* an address was refused */
    /* Of the answer that comes in. */
    char *body;
    size_t length, cap, header_bytes;
    bool large;
    struct str media_type, digest, challenge, location;
};

struct registry_fetcher {
    const struct registry_setup *setup;
    CURLM *multi;
    struct registry_job *running, *waiting, **waiting_end;
    unsigned running_count, waiting_count;
    struct registry_kept kept[REGISTRY_TOKENS_MAX];
    void (*on_answer)(void *arg, unsigned line, const struct registry_answer *answer);
    void *arg;
};

uint64_t registry_now_ms(void);
void registry_wipe(char *text, size_t n);

/* ---- registry_job.c: answers of a job, which end it ---------------------------------------- */

void registry_job_free(struct registry_job *job);
void registry_job_answer(struct registry_job *job, const struct registry_head *head,
                         struct str body);
/* Always false. */
bool registry_job_error(struct registry_job *job, enum trust_outcome outcome, const char *format,
                        ...) PRINTF_LIKE(3, 4);
bool registry_job_no_memory(struct registry_job *job);

/* ---- registry_kept.c: tokens that are kept ------------------------------------------------- */

/* Takes over what is kept for questions like this one. */
void registry_kept_use(struct registry_job *job);
/* It was not accepted. */
void registry_kept_forget(struct registry_job *job);
/* It was accepted; logins are not kept, only that they are wanted. */
void registry_kept_keep(struct registry_job *job);

/* ---- registry_request.c -------------------------------------------------------------------- */

/* Begins one request at job->url; texts empty: none. False: the job has been answered. */
bool registry_request_send(struct registry_job *job, struct str authorization, struct str body);

#endif
