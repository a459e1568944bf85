/* Where bytes about an image come from that its signature is judged by: its manifest, what refers
   to it, blobs. A source fetches and judges nothing: what it says is checked by whoever asked, so
   a source that lies can have an image refused and nothing else. It belongs to one event loop. */
#ifndef PROXY_TRUST_SOURCE_H
#define PROXY_TRUST_SOURCE_H

#include "arena.h"

/* https://github.com/opencontainers/distribution-spec/blob/main/spec.md */
enum trust_kind {
    TRUST_MANIFEST,  /* GET /v2/REPOSITORY/manifests/REFERENCE: a tag or a digest */
    TRUST_BLOB,      /* GET /v2/REPOSITORY/blobs/REFERENCE: a digest */
    TRUST_REFERRERS, /* GET /v2/REPOSITORY/referrers/REFERENCE: a digest. A registry that has no
                        such route is TRUST_ABSENT: the tag sha256-HEX is asked for by the driver */
};

/* One question. Texts are borrowed: they live until the answer, or until it is cancelled. */
struct trust_want {
    enum trust_kind kind;
    struct str host;       /* "docker.io", "ghcr.io", "registry.example.com:5000": image_ref */
    struct str repository; /* "library/nginx" */
    struct str reference;  /* "1.2" or "sha256:..." */
    size_t max;            /* bytes of an answer; more is TRUST_LARGE */
    struct str auth;       /* X-Registry-Auth of the client's request as it came; p NULL: none */
};

enum trust_outcome {
    TRUST_GOT,
    TRUST_ABSENT, /* 404: there is no such thing */
    TRUST_LARGE,  /* more than max bytes */
    TRUST_ERROR,  /* the registry cannot be asked, or answers otherwise: refused, registry_error */
    TRUST_DEAD,   /* nobody is there who asks, for now: 503 */
};

/* One question under way. The asker's, who zeroes it and fills in the first three; it must stay
   where it is until the answer. */
struct trust_fetch {
    void (*on_done)(void *arg); /* the answer is there; not called for one given at once */
    void *arg;
    struct arena *arena; /* the answer's texts are copied there */

    enum trust_outcome outcome;
    struct str bytes;      /* TRUST_GOT */
    struct str media_type; /* Content-Type without parameters; empty: not told */
    struct str digest;     /* Docker-Content-Digest of a manifest; empty: not told */
    char error[200];       /* TRUST_ERROR, TRUST_DEAD: a phrase for people, escaped, without dot */

    void *pending; /* the source's own, while it is under way */
};

struct trust_source {
    void *self;
    /* True: fetch holds the answer. False: it comes later, by one call of on_done in the same
       thread, never from within this call. */
    bool (*fetch)(void *self, const struct trust_want *want, struct trust_fetch *fetch);
    /* The answer is not wanted any more: on_done is not called, fetch may go. */
    void (*cancel)(void *self, struct trust_fetch *fetch);
};

#endif
