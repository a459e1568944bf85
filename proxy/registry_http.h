/* What registries and their token servers say, read strictly, and what is asked of them, as URLs.
   Only bytes: nothing is sent, looked up or kept. */
#ifndef PROXY_REGISTRY_HTTP_H
#define PROXY_REGISTRY_HTTP_H

#include "arena.h"
#include "err.h"
#include "registry_wire.h"

enum {
    REGISTRY_URL_MAX = 8 << 10,           /* bytes; signed URLs of blob stores have 2 KiB */
    REGISTRY_CHALLENGE_MAX = 8 << 10,     /* bytes of all WWW-Authenticate lines of an answer */
    REGISTRY_TOKEN_ANSWER_MAX = 64 << 10, /* bytes */
    REGISTRY_TOKEN_MAX = 16 << 10,        /* bytes; those of some registries have 4 KiB */
    REGISTRY_TOKEN_S = 60,                /* seconds that a token lives unless it says */
    REGISTRY_TOKEN_S_MAX = 300,           /* seconds that it is used for at most */
};

/* ---- URLs ---------------------------------------------------------------------------------- */

struct registry_url {
    bool plain;      /* http, not https */
    struct str host; /* "registry.example.com:5000": without the scheme's usual port */
    struct str rest; /* path and query, from its "/"; never empty */
};

/* Reads an absolute URL of http or https: visible ASCII, no user, no fragment, a host of a DNS name
   or an address, in lower case after that; host lives in the arena. False: it is not such a URL. */
bool registry_url_read(struct str url, struct arena *arena, struct registry_url *out);
/* Where a registry of this name is served: docker.io at registry-1.docker.io. */
struct str registry_endpoint(struct str host);
/* The URL of a question, at plain http or https; p NULL: host, repository or reference are not what
   such names may be, or there is no memory. NUL-terminated. */
struct str registry_ask_url(const struct registry_ask *ask, bool plain, struct arena *arena);
/* Is the host one of the list? Without a port, an entry stands for the usual port. */
bool registry_list_has(struct str list, struct str host);

/* ---- who asks ------------------------------------------------------------------------------ */

enum registry_scheme { REGISTRY_SCHEME_NONE, REGISTRY_SCHEME_BASIC, REGISTRY_SCHEME_BEARER };

struct registry_challenge {
    enum registry_scheme scheme; /* Bearer where both are offered */
    struct str realm, service;   /* of Bearer; in the arena */
};

/* Reads the value of WWW-Authenticate, lines joined by ", " (RFC 9110, 11.6.1). False: it cannot be
   read; a scheme that is neither is passed over. */
bool registry_challenge_read(struct str value, struct arena *arena, struct registry_challenge *out);
/* The URL at which a token is asked for, by GET: realm, service, and the scope of pulling from the
   repository. A realm is at the registry's own host or at one that is known as its token server;
   plain: the registry is asked by plain HTTP, so its own realm may be. p NULL with err set. */
struct str registry_token_url(const struct registry_challenge *challenge,
                              const struct registry_ask *ask, struct str token_hosts, bool plain,
                              struct arena *arena, struct err *err);
/* The realm alone, by the same rules, and the body of a POST to it, for an identity token. */
struct str registry_refresh_url(const struct registry_challenge *challenge,
                                const struct registry_ask *ask, struct str token_hosts, bool plain,
                                struct arena *arena, struct err *err);
struct str registry_refresh_body(const struct registry_challenge *challenge,
                                 const struct registry_ask *ask, struct arena *arena);

struct registry_token {
    struct str text;  /* in the arena, or in the answer */
    unsigned seconds; /* that it is used for */
};
/* Reads a token server's answer. False: it has no token. */
bool registry_token_read(struct str answer, struct arena *arena, struct registry_token *out);

/* "Authorization: Basic ..." and "Authorization: Bearer ...", NUL-terminated; p NULL: no memory, or
   a token that cannot stand in a header. */
struct str registry_basic_header(const struct registry_login *login, struct arena *arena);
struct str registry_bearer_header(struct str token, struct arena *arena);

#endif
