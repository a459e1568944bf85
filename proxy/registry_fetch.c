/* Questions to registries by libcurl; see registry_fetch.h. Redirects are followed here and not by
   libcurl, so that each is looked at: credentials go to the registry's own host and to its token
   server, and nowhere else. */
#include "registry_job.h"

#include "json.h"
#include "registry_login.h"

#include <stdlib.h>

/* ---- steps --------------------------------------------------------------------------------- */

static bool go_to(struct registry_job *job, struct str url)
{
    job->url = url;
    return url.p && registry_url_read(url, &job->arena, &job->at);
}

/* Credentials go to the registry's own host, port and scheme, or not at all. */
static bool at_registry(const struct registry_job *job)
{
    return str_eq(job->at.host, job->own.host) && job->at.plain == job->own.plain;
}

static bool send_ask(struct registry_job *job, struct str url)
{
    static const struct str none = {NULL, 0};
    job->stage = REGISTRY_AT_REGISTRY;
    if (!go_to(job, url)) {
        return registry_job_error(job, TRUST_ERROR, "that is no name of an image at a registry");
    }
    return registry_request_send(job, at_registry(job) ? job->authorization : none, none);
}

static struct str own_url(struct registry_job *job)
{
    return registry_ask_url(&job->ask, job->plain, &job->arena);
}

static bool job_start(struct registry_job *job)
{
    const struct registry_login *login = &job->ask.login;
    job->plain = registry_list_has(job->fetcher->setup->plain_hosts, job->ask.host);
    struct str url = own_url(job);
    if (!url.p || !registry_url_read(url, &job->arena, &job->own)) {
        return registry_job_error(job, TRUST_ERROR, "that is no name of an image at a registry");
    }
    if (login->token.n > 0)
        job->authorization = registry_bearer_header(login->token, &job->arena);
    else
        registry_kept_use(job);
    return send_ask(job, url);
}

/* ---- answers ------------------------------------------------------------------------------- */

static bool refuse_login(struct registry_job *job, long status)
{
    bool had = !registry_login_empty(&job->ask.login);
    registry_job_error(job, TRUST_ERROR, "%.*s wants %s (status %ld)", STR_ARG(job->ask.host),
                       had ? "another login" : "a login; --registry-auth gives it", status);
    return false;
}

static bool ask_token(struct registry_job *job, const struct registry_challenge *challenge)
{
    const struct registry_setup *setup = job->fetcher->setup;
    const struct registry_login *login = &job->ask.login;
    struct err err = {.set = false};
    struct str none = {NULL, 0}, header = none, body = none;
    struct str url;
    bool refresh = login->identity.n > 0;
    if (refresh) {
        url = registry_refresh_url(challenge, &job->ask, setup->token_hosts, job->plain,
                                   &job->arena, &err);
        body = registry_refresh_body(challenge, &job->ask, &job->arena);
    } else {
        url = registry_token_url(challenge, &job->ask, setup->token_hosts, job->plain, &job->arena,
                                 &err);
        if (login->user.n > 0)
            header = registry_basic_header(login, &job->arena);
    }
    job->stage = REGISTRY_AT_TOKEN;
    if (!url.p || !go_to(job, url) || (refresh && !body.p)) {
        return registry_job_error(job, TRUST_ERROR, "%s",
                                  err.set ? err.text
                                          : "the registry's token server cannot "
                                            "be asked");
    }
    return registry_request_send(job, header, body);
}

/* 401: once, with what the registry says that it wants. */
static bool answer_challenge(struct registry_job *job)
{
    struct registry_challenge challenge;
    const struct registry_login *login = &job->ask.login;
    if (job->cached)
        registry_kept_forget(job);
    if (job->challenged || login->token.n > 0 || !at_registry(job) ||
        !registry_challenge_read(job->challenge, &job->arena, &challenge))
        return refuse_login(job, 401);
    job->challenged = true;
    if (challenge.scheme == REGISTRY_SCHEME_BEARER)
        return ask_token(job, &challenge);
    if (challenge.scheme != REGISTRY_SCHEME_BASIC || login->user.n == 0)
        return refuse_login(job, 401);
    job->authorization = registry_basic_header(login, &job->arena);
    job->token_seconds = REGISTRY_TOKEN_S_MAX;
    job->by_basic = true;
    return send_ask(job, own_url(job));
}

static bool take_token(struct registry_job *job, long status)
{
    struct registry_token token;
    char host[120];
    text_shorten(host, sizeof(host), job->at.host);
    if (status == 401 || status == 403)
        return refuse_login(job, status);
    if (status != 200) {
        return registry_job_error(job, TRUST_ERROR, "the token server %s answers with status %ld",
                                  host, status);
    }
    if (!registry_token_read((struct str){job->body, job->length}, &job->arena, &token)) {
        return registry_job_error(job, TRUST_ERROR, "the token server %s answers without a token",
                                  host);
    }
    job->authorization = registry_bearer_header(token.text, &job->arena);
    job->token_seconds = token.seconds;
    if (job->authorization.p)
        return send_ask(job, own_url(job));
    return registry_job_no_memory(job);
}

static bool follow(struct registry_job *job)
{
    char *where = NULL;
    curl_easy_getinfo(job->easy, CURLINFO_REDIRECT_URL, &where);
    struct str url = arena_copy(&job->arena, str_of(where ? where : ""));
    struct registry_url next;
    char host[120];
    if (job->redirects++ == REGISTRY_REDIRECTS_MAX) {
        return registry_job_error(job, TRUST_ERROR, "%.*s redirects more than %d times",
                                  STR_ARG(job->ask.host), REGISTRY_REDIRECTS_MAX);
    }
    bool ok = url.p && registry_url_read(url, &job->arena, &next);
    if (ok && (!next.plain || (job->plain && str_eq(next.host, job->own.host))))
        return send_ask(job, url);
    return registry_job_error(
        job, TRUST_ERROR, "%.*s redirects to %s%s, which is not followed", STR_ARG(job->ask.host),
        ok && next.plain ? "http://" : "", /* and not the whole: signed URLs are logins */
        ok ? text_shorten(host, sizeof(host), next.host) : "something that is no https URL");
}

static void give(struct registry_job *job)
{
    const struct registry_head head = {
        .outcome = TRUST_GOT,
        .size = (uint32_t)job->length,
        .media_type = job->media_type,
        .digest = job->ask.kind == TRUST_MANIFEST ? job->digest : (struct str){NULL, 0},
    };
    registry_kept_keep(job);
    registry_job_answer(job, &head, (struct str){job->body, job->length});
}

/* False: the job has been answered. */
static bool take_status(struct registry_job *job, long status)
{
    static const struct registry_head absent = {.outcome = TRUST_ABSENT};
    switch (status) {
    case 200:
        give(job);
        return false;
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
        return follow(job);
    case 401:
        return answer_challenge(job);
    case 403:
        return refuse_login(job, status);
    case 404:
        registry_job_answer(job, &absent, (struct str){NULL, 0});
        return false;
    case 429:
        return registry_job_error(job, TRUST_ERROR, "%.*s has been asked too often (status 429)",
                                  STR_ARG(job->ask.host));
    default:
        return registry_job_error(job, TRUST_ERROR, "%.*s answers with status %ld",
                                  STR_ARG(job->ask.host), status);
    }
}

static void explain_failure(struct registry_job *job, CURLcode code)
{
    char host[120];
    text_shorten(host, sizeof(host), job->at.host);
    if (code == CURLE_OPERATION_TIMEDOUT)
        registry_job_error(job, TRUST_ERROR, "%s took too long", host);
    else if (job->guarded)
        registry_job_error(
            job, TRUST_ERROR,
            "%s has an address that registries may not have; --registry-private allows "
            "private ones",
            host);
    else if (job->header_bytes > REGISTRY_HEADER_MAX)
        registry_job_error(job, TRUST_ERROR, "%s answers with too large a head", host);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        registry_job_error(job, TRUST_ERROR,
                           "the certificate of %s is not to be trusted, or not its own; "
                           "--registry-ca names other CAs",
                           host);
    else if (code == CURLE_SSL_CONNECT_ERROR)
        registry_job_error(
            job, TRUST_ERROR,
            "%s cannot be asked: no TLS 1.2 or 1.3 with it; where it speaks only plain "
            "HTTP, name it by --registry-plain-http",
            host);
    else
        registry_job_error(job, TRUST_ERROR, "%s cannot be asked: %s", host,
                           curl_easy_strerror(code));
}

/* False: the job has been answered. */
static bool job_step(struct registry_job *job, CURLcode code)
{
    static const struct registry_head large = {.outcome = TRUST_LARGE,
                                               .error = {"more than the limit", 19}};
    long status = 0;
    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    bool cut = code == CURLE_WRITE_ERROR && job->large;
    if (cut && status == 200 && job->stage == REGISTRY_AT_REGISTRY) {
        registry_job_answer(job, &large, (struct str){NULL, 0});
        return false;
    }
    if (code != CURLE_OK && !(cut && status != 200)) {
        explain_failure(job, code);
        return false;
    }
    return job->stage == REGISTRY_AT_TOKEN ? take_token(job, status) : take_status(job, status);
}

/* ---- the fetcher --------------------------------------------------------------------------- */

struct registry_fetcher *registry_fetcher_new(
    const struct registry_setup *setup,
    void (*on_answer)(void *arg, unsigned line, const struct registry_answer *answer), void *arg)
{
    struct registry_fetcher *fetcher = calloc(1, sizeof(*fetcher));
    if (!fetcher)
        return NULL;
    fetcher->setup = setup;
    fetcher->on_answer = on_answer;
    fetcher->arg = arg;
    fetcher->waiting_end = &fetcher->waiting;
    fetcher->multi = curl_multi_init();
    if (!fetcher->multi) {
        free(fetcher);
        return NULL;
    }
    curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, (long)REGISTRY_JOBS_MAX);
    return fetcher;
}

static bool job_copy(struct registry_job *job, const struct registry_ask *ask)
{
    job->ask = *ask;
    struct str *const texts[] = {&job->ask.host,           &job->ask.repository,
                                 &job->ask.reference,      &job->ask.login.user,
                                 &job->ask.login.password, &job->ask.login.identity,
                                 &job->ask.login.token};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = arena_copy(&job->arena, *texts[i]);
        if (!texts[i]->p)
            return false;
    }
    return true;
}

static void stop(struct registry_fetcher *fetcher, struct registry_job *job)
{
    if (job->easy)
        curl_multi_remove_handle(fetcher->multi, job->easy);
    registry_job_free(job);
}

static unsigned count_host(const struct registry_job *list, struct str host)
{
    unsigned count = 0;
    for (; list; list = list->next)
        count += str_eq(list->ask.host, host);
    return count;
}

/* The first that may start: one registry never has all of the places. */
static struct registry_job *take_waiting(struct registry_fetcher *fetcher)
{
    struct registry_job **at = &fetcher->waiting;
    while (*at && count_host(fetcher->running, (*at)->ask.host) >= REGISTRY_HOST_JOBS_MAX)
        at = &(*at)->next;
    struct registry_job *job = *at;
    if (!job)
        return NULL;
    *at = job->next;
    if (!*at)
        fetcher->waiting_end = at;
    fetcher->waiting_count--;
    return job;
}

static void start_waiting(struct registry_fetcher *fetcher)
{
    while (fetcher->running_count < REGISTRY_JOBS_MAX) {
        struct registry_job *job = take_waiting(fetcher);
        if (!job)
            return;
        if (!job_start(job)) {
            registry_job_free(job);
            continue;
        }
        job->next = fetcher->running;
        fetcher->running = job;
        fetcher->running_count++;
    }
}

void registry_fetcher_ask(struct registry_fetcher *fetcher, unsigned line,
                          const struct registry_ask *ask)
{
    struct registry_job *job = calloc(1, sizeof(*job));
    static const struct registry_answer lacking = {
        .head = {.outcome = TRUST_DEAD, .error = {"the registry helper is out of memory", 36}}};
    struct registry_answer answer = lacking;
    answer.head.id = ask->id;
    if (!job) {
        fetcher->on_answer(fetcher->arg, line, &answer);
        return;
    }
    job->fetcher = fetcher;
    job->line = line;
    job->arena.limit = REGISTRY_JOB_MAX;
    job->deadline_ms = registry_now_ms() + (uint64_t)fetcher->setup->seconds * 1000;
    job->ask.id = ask->id;
    bool full = fetcher->waiting_count >= REGISTRY_QUEUE_MAX ||
                count_host(fetcher->waiting, ask->host) >= REGISTRY_HOST_QUEUE_MAX;
    if (full || !job_copy(job, ask)) {
        if (full)
            registry_job_error(job, TRUST_DEAD, "too many questions wait for registries");
        else
            registry_job_no_memory(job);
        registry_job_free(job);
        return;
    }
    *fetcher->waiting_end = job;
    fetcher->waiting_end = &job->next;
    fetcher->waiting_count++;
    start_waiting(fetcher);
}

static bool is_one_of(const struct registry_job *job, unsigned line, const uint64_t *id)
{
    return job->line == line && (!id || job->ask.id == *id);
}

/* id NULL: all of the line. */
static void drop_some(struct registry_fetcher *fetcher, unsigned line, const uint64_t *id)
{
    for (struct registry_job **at = &fetcher->running; *at;) {
        struct registry_job *job = *at;
        if (!is_one_of(job, line, id)) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        fetcher->running_count--;
        stop(fetcher, job);
    }
    struct registry_job **at = &fetcher->waiting;
    while (*at) {
        struct registry_job *job = *at;
        if (!is_one_of(job, line, id)) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        fetcher->waiting_count--;
        stop(fetcher, job);
    }
    fetcher->waiting_end = at;
    start_waiting(fetcher);
}

void registry_fetcher_cancel(struct registry_fetcher *fetcher, unsigned line, uint64_t id)
{
    drop_some(fetcher, line, &id);
}

void registry_fetcher_drop(struct registry_fetcher *fetcher, unsigned line)
{
    drop_some(fetcher, line, NULL);
}

bool registry_fetcher_busy(const struct registry_fetcher *fetcher)
{
    return fetcher->running_count > 0 || fetcher->waiting_count > 0;
}

static void finish(struct registry_fetcher *fetcher, struct registry_job *job)
{
    struct registry_job **at = &fetcher->running;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    fetcher->running_count--;
    registry_job_free(job);
}

bool registry_fetcher_turn(struct registry_fetcher *fetcher, struct curl_waitfd *more,
                           unsigned count, int ms)
{
    int ready, left;
    CURLMsg *message;
    if (curl_multi_poll(fetcher->multi, more, count, ms, &ready) != CURLM_OK ||
        curl_multi_perform(fetcher->multi, &ready) != CURLM_OK)
        return false;
    while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct registry_job *job = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job);
        curl_multi_remove_handle(fetcher->multi, message->easy_handle);
        if (!job_step(job, code))
            finish(fetcher, job);
    }
    start_waiting(fetcher);
    return true;
}
