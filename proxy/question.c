/* Judges raw HTTP bytes as the proxy does with what a connection brings: head, parse, body, policy.
   See question.h. It opens no connection: facts are what somebody has written down. */
#include "question.h"

#include "chunked.h"
#include "host_facts.h"
#include "http_request.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { HEAD_LIMIT = 64 << 10, DROPPED_LIMIT = 64 << 10 }; /* bytes, the defaults of serve */

/* ---- who asks ------------------------------------------------------------------------------ */

/* The kernel gives this number to nobody, so it matches no entry. */
static const uint32_t nobody = UINT32_MAX;

static const char *set_number(uint32_t *out, struct asker *asker, struct str value)
{
    int64_t number = 0;
    if (!str_to_int(value, &number) || number < 0 || number >= nobody)
        return "is not a number from 0 to 4294967294";
    struct client_identity *identity = &asker->identity;
    if (!identity->unix_peer)
        identity->uid = identity->gid = nobody;
    identity->unix_peer = true;
    *out = (uint32_t)number;
    return NULL;
}

static const char *set_uid(struct asker *asker, struct str value)
{
    return set_number(&asker->identity.uid, asker, value);
}

static const char *set_gid(struct asker *asker, struct str value)
{
    return set_number(&asker->identity.gid, asker, value);
}

static const char *set_address(struct asker *asker, struct str value)
{
    char text[INET6_ADDRSTRLEN], bytes[sizeof(struct in6_addr)];
    int length = snprintf(text, sizeof(text), "%.*s", STR_ARG(value));
    if (length != (int)value.n || length >= (int)sizeof(text) ||
        (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1))
        return "is not an IP address, such as 10.0.0.1 or fd00::1";
    asker->identity.address = value;
    return NULL;
}

static const char *set_text(struct str *out, struct str value)
{
    *out = value;
    return value.n ? NULL : "is empty, and an empty text matches nothing";
}

static const char *set_listener(struct asker *asker, struct str value)
{
    return set_text(&asker->identity.listener, value);
}

static const char *set_cert_cn(struct asker *asker, struct str value)
{
    return set_text(&asker->identity.cert_cn, value);
}

static const char *set_cert_ou(struct asker *asker, struct str value)
{
    return set_text(&asker->identity.cert_ou, value);
}

static const char *set_cert_san(struct asker *asker, struct str value)
{
    struct client_identity *identity = &asker->identity;
    struct str name = {NULL, 0};
    if (identity->cert_san_count == ASKER_SANS_MAX)
        return "is one name too many";
    if (!client_san_kind(value, &name) || name.n == 0)
        return "is no alternative name: write DNS:name, URI:..., IP:address or email:...";
    asker->sans[identity->cert_san_count++] = value;
    identity->cert_sans = asker->sans;
    return NULL;
}

static const char *set_cert_spki(struct asker *asker, struct str value)
{
    struct str digits = str_skip(value, 7);
    bool right = str_starts(value, STR("sha256:")) && digits.n == 64;
    for (size_t i = 0; right && i < digits.n; i++)
        right = ascii_hex(digits.p[i]);
    asker->identity.cert_spki = value;
    return right ? NULL : "is not sha256: and 64 hex digits";
}

static const char *set_container_name(struct asker *asker, struct str value)
{
    if (value.n && value.p[0] == '/')
        return "begins with a slash, and names are written without";
    return set_text(&asker->identity.container_name, value);
}

static const char *set_container_image(struct asker *asker, struct str value)
{
    struct str digits = str_skip(value, 7);
    if (str_starts(value, STR("sha256:")) && digits.n == 64)
        return set_text(&asker->identity.container_image_id, value);
    return set_text(&asker->identity.container_image, value);
}

static const char *add_label(struct asker *asker, struct str key, struct str value)
{
    struct client_identity *identity = &asker->identity;
    if (key.n == 0)
        return "names no label: write key=value";
    if (identity->container_label_count == ASKER_LABELS_MAX)
        return "is one label too many";
    for (size_t i = 0; i < identity->container_label_count; i++)
        if (str_eq(asker->labels[i].key, key))
            return "is a second value of one label, and a container has one";
    asker->labels[identity->container_label_count++] = (struct client_label){key, value};
    identity->container_labels = asker->labels;
    return NULL;
}

static const char *set_container_label(struct asker *asker, struct str value)
{
    size_t equals = str_find(value, '=');
    return add_label(asker, str_head(value, equals), str_skip(value, equals + 1));
}

static const char *set_compose_project(struct asker *asker, struct str value)
{
    return add_label(asker, STR("com.docker.compose.project"), value);
}

static const char *set_compose_service(struct asker *asker, struct str value)
{
    return add_label(asker, STR("com.docker.compose.service"), value);
}

static const struct {
    const char *name, *option;
    const char *(*set)(struct asker *asker, struct str value);
} traits[] = {
    {"uid", "uid", set_uid},
    {"gid", "gid", set_gid},
    {"address", "address", set_address},
    {"listener", "listener", set_listener},
    {"cert_cn", "cert-cn", set_cert_cn},
    {"cert_ou", "cert-ou", set_cert_ou},
    {"cert_san", "cert-san", set_cert_san},
    {"cert_spki", "cert-spki", set_cert_spki},
    {"container_name", "container-name", set_container_name},
    {"container_label", "container-label", set_container_label},
    {"container_image", "container-image", set_container_image},
    {"compose_project", "compose-project", set_compose_project},
    {"compose_service", "compose-service", set_compose_service},
};

const char *asker_trait(size_t index)
{
    return index < ARRAY_LEN(traits) ? traits[index].name : NULL;
}

static size_t find_trait(struct str name)
{
    size_t i = 0;
    while (i < ARRAY_LEN(traits) && !str_is(name, traits[i].name) &&
           !str_is(name, traits[i].option))
        i++;
    return i;
}

bool asker_is_trait(struct str name)
{
    return find_trait(name) < ARRAY_LEN(traits);
}

const char *asker_set(struct asker *asker, struct str name, struct str value)
{
    size_t i = find_trait(name);
    return i < ARRAY_LEN(traits) ? traits[i].set(asker, value)
                                 : "is nothing that is known of a client";
}

bool asker_role(const struct asker *asker, struct policy *policy, struct str role,
                struct client_role *out)
{
    if (role.p)
        *out = (struct client_role){.role = policy_want_role(policy, role)};
    else
        *out = policy_client(policy, &asker->identity);
    out->who = asker ? &asker->identity : NULL;
    return out->role || !role.p;
}

/* ---- one request --------------------------------------------------------------------------- */

static bool malformed(struct answer *answer, int status, const char *why)
{
    answer->decision.verdict = VERDICT_DENY;
    answer->decision.status = status;
    answer->decision.close = true;
    snprintf(answer->decision.reason, sizeof(answer->decision.reason), "sockwarden: %s", why);
    return false;
}

/* The chunked body at the start of bytes, put together there; *used: bytes with the framing. */
static bool take_chunks(char *bytes, size_t n, struct str *out, size_t *used)
{
    struct chunked walk = {.state = 0};
    struct str rest = {bytes, n};
    size_t length = 0;
    enum chunked_status status = CHUNKED_MORE;
    while (rest.n && status != CHUNKED_DONE) {
        struct str data;
        size_t taken = 0;
        status = chunked_walk(&walk, rest, &taken, &data);
        if (status == CHUNKED_BAD)
            return false;
        memmove(bytes + length, data.p ? data.p : bytes, data.n);
        length += data.n;
        rest = str_skip(rest, taken);
    }
    *out = (struct str){bytes, length};
    *used = n - rest.n;
    return status == CHUNKED_DONE;
}

/* The whole body of the request; *used: bytes that it took with its framing. */
static bool take_body(char *bytes, size_t n, const struct http_request *http, struct answer *answer,
                      struct str *out, size_t *used)
{
    *out = (struct str){NULL, 0};
    *used = 0;
    if (http->framing == FRAMING_CHUNKED)
        return take_chunks(bytes, n, out, used) ||
               malformed(answer, 400, "the chunked body is not framed as HTTP wants it");
    if (http->framing != FRAMING_LENGTH)
        return true;
    if (http->length > n)
        return malformed(answer, 400, "the body is shorter than its Content-Length");
    *out = (struct str){bytes, (size_t)http->length};
    *used = out->n;
    return true;
}

/* As often as a decision may ask, with what is known; what is not known ends it. */
static void decide_with(const struct known *known, const struct request *request,
                        struct arena *arena, struct answer *answer)
{
    const struct client_role *by = &answer->by;
    answer->facts = (struct facts){.arena = arena};
    if (by->who)
        answer->facts.owner = policy_owner(by->role, by->client, by->who, arena);
    for (int round = 0; round <= FACT_ROUNDS_MAX; round++) {
        policy_decide(answer->by.role, request, &answer->facts, arena, &answer->decision);
        if (answer->decision.verdict != VERDICT_NEED || !known_answer(known, &answer->facts))
            return;
    }
    malformed(answer, 403,
              "what this request names leads to other objects too many times to be judged: "
              "containers that join containers, one upon the other");
    answer->decision.close = false;
}

static void decide(const struct known *known, struct str body, struct request *request,
                   struct arena *arena, struct answer *answer)
{
    enum body_kind kind = request_body_kind(request);
    if (kind != BODY_OPAQUE && body.n > (kind == BODY_JSON ? QUESTION_BODY_MAX : DROPPED_LIMIT)) {
        malformed(answer, 413, "the body is larger than the proxy inspects (--max-body)");
        return;
    }
    if (kind != BODY_OPAQUE && body.n &&
        (request->route->body == BODY_JSON || request->route->op == OP_ContainerStart))
        request->body = body;
    if (request->route->op == OP_PutContainerArchive &&
        policy_precheck(answer->by.role, request, arena, &answer->decision) &&
        !request_check_archive(answer->by.role, request, str_head(body, ARCHIVE_MARK_MAX),
                               &answer->decision))
        return;
    decide_with(known, request, arena, answer);
}

bool question_ends_in_lf(struct str bytes)
{
    size_t at = str_find(bytes, '\n');
    return at > 0 && at < bytes.n && bytes.p[at - 1] != '\r';
}

static bool read_head(struct str bytes, struct http_request *http, struct answer *answer,
                      size_t *length)
{
    struct head_scan scan = {0, 0, 0};
    struct http_refusal refusal = {400, "the request has no end: its head must close with an empty "
                                        "line (CR LF CR LF)"};
    enum head_status status = head_scan(&scan, bytes, true, HEAD_LIMIT, length, &refusal);
    if (status == HEAD_DONE && http_request_read(str_head(bytes, *length), http, &refusal))
        return true;
    if (status == HEAD_BAD && question_ends_in_lf(bytes))
        refusal.why = "the lines of the request's head end in LF alone, and HTTP wants CR LF";
    return malformed(answer, refusal.status, refusal.why);
}

/* Judges the first request in bytes. Returns where the next one begins, n when there can be none.
 */
static size_t judge(const struct known *known, char *bytes, size_t n, struct request *request,
                    struct arena *arena, struct answer *answer)
{
    struct http_request *http = arena_alloc(arena, 1, sizeof(*http));
    size_t length = 0, used = 0;
    struct str body;
    if (!http || !read_head((struct str){bytes, n}, http, answer, &length))
        return n;
    if (!request_parse(http->head.method, http->head.target, arena, request, &answer->decision)) {
        answer->request = request->route ? request : NULL;
        return n;
    }
    answer->request = request;
    if (!request_check_content(request, http->content_type, http->framing != FRAMING_NONE,
                               &answer->decision))
        return n;
    if (http->origin.p &&
        !(request->route->follow == FOLLOW_WS && http_request_same_origin(http))) {
        malformed(answer, 403,
                  "a request with an Origin header comes from a web page, and no "
                  "Docker client is one");
        return n;
    }
    if (!take_body(bytes + length, n - length, http, answer, &body, &used))
        return n;
    decide(known, body, request, arena, answer);
    bool last = !http->keep_alive || request->route->follow != FOLLOW_RESPONSE;
    return last ? n : length + used;
}

void question_judge(const struct client_role *by, const struct known *known, char *bytes, size_t n,
                    struct arena *arena, struct answer *out)
{
    size_t at = 0;
    do {
        arena_reset(arena);
        struct request *request = arena_alloc(arena, 1, sizeof(*request));
        memset(out, 0, sizeof(*out));
        out->by = *by;
        if (!request) {
            malformed(out, 503, "out of memory");
            return;
        }
        at += judge(known, bytes + at, n - at, request, arena, out);
    } while (at < n && out->decision.verdict == VERDICT_ALLOW);
}
