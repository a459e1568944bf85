/* One request of a question, by libcurl: its transport, its headers, and its answer as it comes in.
   What the answer means is for registry_fetch.c. */
#include "registry_job.h"

#include "registry_guard.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- libcurl's calls ----------------------------------------------------------------------- */

static bool is_private_host(const struct registry_setup *setup, struct str host)
{
    return registry_list_has(setup->private_hosts, host);
}

/* The proxy of --registry-proxy is the operator's word, and guards what it connects to itself. */
static bool by_proxy(const struct registry_setup *setup, struct str host)
{
    return setup->proxy.n > 0 && !registry_list_has(setup->direct, host);
}

/* After the name was looked up, at each connection, those of redirects and token servers too. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct registry_job *job = arg;
    const struct registry_setup *setup = job->fetcher->setup;
    enum registry_reach reach = registry_reach(&address->addr, address->addrlen);
    bool allowed = by_proxy(setup, job->at.host) || reach == REGISTRY_PUBLIC ||
                   (reach == REGISTRY_PRIVATE && is_private_host(setup, job->at.host));
    if (purpose != CURLSOCKTYPE_IPCXN || !allowed) {
        job->guarded = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t body_max(const struct registry_job *job)
{
    return job->stage == REGISTRY_AT_TOKEN ? REGISTRY_TOKEN_ANSWER_MAX : job->ask.max;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct registry_job *job = arg;
    size_t n = size * count;
    long status = 0;
    curl_easy_getinfo(job->easy, CURLINFO_RESPONSE_CODE, &status);
    size_t max = status == 200 ? body_max(job) : REGISTRY_IGNORED_MAX;
    if (n > max - job->length) {
        job->large = true;
        return 0;
    }
    if (status == 200 && job->length + n > job->cap) {
        size_t cap = job->cap ? job->cap * 2 : 16 << 10;
        while (cap < job->length + n)
            cap *= 2;
        char *larger = malloc(cap);
        if (!larger)
            return 0;
        if (job->length > 0)
            memcpy(larger, job->body, job->length);
        registry_wipe(job->body, job->cap);
        job->body = larger;
        job->cap = cap;
    }
    if (status == 200)
        memcpy(job->body + job->length, bytes, n);
    job->length += n;
    return n;
}

static void keep_header(struct registry_job *job, struct str value, size_t max, struct str *slot)
{
    if (value.n <= max)
        *slot = arena_copy(&job->arena, value);
}

static void add_challenge(struct registry_job *job, struct str value)
{
    const struct str parts[] = {job->challenge, job->challenge.n > 0 ? STR(", ") : STR(""), value};
    if (value.n + job->challenge.n < REGISTRY_CHALLENGE_MAX)
        job->challenge = arena_join(&job->arena, parts, ARRAY_LEN(parts));
}

static void begin_answer(struct registry_job *job)
{
    job->length = 0;
    job->large = false;
    job->media_type = job->digest = job->challenge = job->location = (struct str){NULL, 0};
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct registry_job *job = arg;
    struct str line = {bytes, size * count};
    job->header_bytes += line.n;
    if (job->header_bytes > REGISTRY_HEADER_MAX)
        return 0;
    if (str_starts(line, STR("HTTP/"))) {
        begin_answer(job); /* what came before was an interim answer, or a proxy's */
        return line.n;
    }
    size_t colon = str_find(line, ':');
    struct str name = str_head(line, colon), value = str_skip(line, colon + 1);
    while (value.n > 0 && strchr("\r\n", value.p[value.n - 1]))
        value.n--;
    value = str_trim(value);
    if (str_ieq(name, STR("Content-Type")))
        keep_header(job, str_trim(str_head(value, str_find(value, ';'))), REGISTRY_TYPE_MAX,
                    &job->media_type);
    else if (str_ieq(name, STR("Docker-Content-Digest")))
        keep_header(job, value, REGISTRY_DIGEST_MAX, &job->digest);
    else if (str_ieq(name, STR("WWW-Authenticate")))
        add_challenge(job, value);
    return line.n;
}

/* ---- requests ------------------------------------------------------------------------------ */

static bool add_line(struct registry_job *job, const char *line)
{
    struct curl_slist *list = curl_slist_append(job->headers, line);
    if (list)
        job->headers = list;
    return list != NULL;
}

static const char *accept_line(const struct registry_job *job)
{
    if (job->stage == REGISTRY_AT_TOKEN)
        return "Accept: application/json";
    if (job->ask.kind == TRUST_REFERRERS)
        return "Accept: application/vnd.oci.image.index.v1+json";
    if (job->ask.kind == TRUST_BLOB)
        return "Accept: */*";
    /* Without these, registries give an image's oldest form, or say that there is none. */
    return "Accept: application/vnd.oci.image.index.v1+json, "
           "application/vnd.docker.distribution.manifest.list.v2+json, "
           "application/vnd.oci.image.manifest.v1+json, "
           "application/vnd.docker.distribution.manifest.v2+json";
}

static bool set_headers(struct registry_job *job, struct str authorization)
{
    curl_slist_free_all(job->headers);
    job->headers = NULL;
    return add_line(job, accept_line(job)) &&
           (authorization.n == 0 || add_line(job, authorization.p)) &&
           curl_easy_setopt(job->easy, CURLOPT_HTTPHEADER, job->headers) == CURLE_OK;
}

/* All that could make another request of it than the one that is meant is off by default, or here.
 */
static bool set_transport(struct registry_job *job, long left_ms)
{
    const struct registry_setup *setup = job->fetcher->setup;
    CURL *easy = job->easy;
    const char *schemes = job->at.plain ? "http" : "https";
    bool proxied = by_proxy(setup, job->at.host);
    bool ok = curl_easy_setopt(easy, CURLOPT_URL, job->url.p) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, schemes) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_PROXY, proxied ? setup->proxy.p : "") == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, job) == CURLE_OK;
    if (ok && setup->ca.n > 0) /* in the place of the system's */
        ok = curl_easy_setopt(easy, CURLOPT_CAINFO, setup->ca.p) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* What ends while a name is looked up does not hold up all others until that is done. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)REGISTRY_CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "sockwarden/" SOCKWARDEN_VERSION);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 60L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return ok;
}

bool registry_request_send(struct registry_job *job, struct str authorization, struct str body)
{
    uint64_t now = registry_now_ms();
    if (now + 1 >= job->deadline_ms)
        return registry_job_error(job, TRUST_ERROR, "%.*s took too long", STR_ARG(job->ask.host));
    if (!job->easy)
        job->easy = curl_easy_init();
    if (!job->easy)
        return registry_job_no_memory(job);
    curl_easy_reset(job->easy);
    job->header_bytes = 0;
    job->guarded = false;
    begin_answer(job);
    if (!set_transport(job, (long)(job->deadline_ms - now)) || !set_headers(job, authorization))
        return registry_job_error(job, TRUST_DEAD, "libcurl cannot be set up");
    curl_easy_setopt(job->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(job->easy, CURLOPT_WRITEDATA, job);
    curl_easy_setopt(job->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(job->easy, CURLOPT_HEADERDATA, job);
    curl_easy_setopt(job->easy, CURLOPT_PRIVATE, job);
    if (body.n > 0) {
        curl_easy_setopt(job->easy, CURLOPT_POSTFIELDSIZE, (long)body.n);
        curl_easy_setopt(job->easy, CURLOPT_COPYPOSTFIELDS, body.p);
    }
    if (curl_multi_add_handle(job->fetcher->multi, job->easy) == CURLM_OK)
        return true;
    return registry_job_no_memory(job);
}
