/* What a question on its way is made of, and how it is answered; see registry_job.h. */
#include "registry_job.h"

#include "json.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t registry_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void registry_wipe(char *text, size_t n)
{
    if (text)
        OPENSSL_cleanse(text, n);
    free(text);
}

void registry_job_free(struct registry_job *job)
{
    if (job->easy)
        curl_easy_cleanup(job->easy);
    curl_slist_free_all(job->headers);
    registry_wipe(job->body, job->cap);
    arena_free(&job->arena);
    free(job);
}

void registry_job_answer(struct registry_job *job, const struct registry_head *head,
                         struct str body)
{
    struct registry_answer answer = {.head = *head, .body = body};
    answer.head.id = job->ask.id;
    job->fetcher->on_answer(job->fetcher->arg, job->line, &answer);
}

bool registry_job_error(struct registry_job *job, enum trust_outcome outcome, const char *format,
                        ...)
{
    char text[400], shown[REGISTRY_ERROR_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_sentence(shown, sizeof(shown), str_of(text));
    const struct registry_head head = {.outcome = outcome, .error = str_of(shown)};
    registry_job_answer(job, &head, (struct str){NULL, 0});
    return false;
}

bool registry_job_no_memory(struct registry_job *job)
{
    return registry_job_error(job, TRUST_DEAD, "the registry helper is out of memory");
}
