/* What the connections of one loop share. Plain data; nobody's but the loop's thread's, except what
   the comments name. */
#ifndef PROXY_CONTEXT_H
#define PROXY_CONTEXT_H

#include "audit.h"
#include "body.h"
#include "config.h"
#include "host_root.h"
#include "http_response.h"
#include "loop.h"
#include "metrics.h"
#include "snapshot.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <sys/un.h>

struct exec_table;
struct lookup;
struct registry_line;
struct registry_lines;
struct trust;
struct trust_desk;
struct trust_question;
struct usage_table;

/* What all loops count together. */
struct shared {
    atomic_uint connections;           /* open client connections */
    atomic_size_t body_bytes;          /* room held for bodies that are read whole */
    atomic_size_t fact_bytes;          /* room held for what the daemon has said of objects */
    atomic_size_t unread_bytes;        /* of filtered answers that clients have not taken yet */
    atomic_uint lookup_lines;          /* connections of look-ups beside the clients' own */
    struct exec_table *execs;          /* commands made through the proxy */
    struct usage_table *usages;        /* what each client uses; NULL: nobody is limited */
    struct trust *trust;               /* in signed images */
    struct registry_lines *registries; /* a socket for each loop; NULL: no registry is asked */
    const struct host_root *host_root; /* where bind sources are looked at; NULL: by name only */
    atomic_ullong paused_ms;           /* monotonic: when clients last had to wait; 0: never */
    atomic_uint refused;               /* requests since the daemon is away; 0: it is there */
    struct log_limit said_away, said_answer; /* what is said of the daemon */
    struct log_limit said_lacking;           /* and of ourselves */
};

/* What is needed of a request until it has been sent on; pooled, since it is large. */
struct inquiry {
    struct inquiry *next; /* in the pool */
    struct buffer *head;  /* holds the request's head; the slices point into it */
    size_t head_length;
    struct str sent_head; /* as sent on, in the arena; built once. p NULL: not yet */
    struct http_request http;
    struct request request;
    struct decision decision;
    struct facts facts;    /* what the daemon has said about the objects of the request */
    struct lookup *lookup; /* how it is asked; owns the answers. NULL: nothing was asked */
    int rounds;            /* times that the decision has asked */
    bool would_deny;       /* --mode audit: the decision is a refusal, and it goes on */
    struct trust_question *signatures; /* under what they are asked for, in the arena; or NULL */
    uint32_t asked_signatures;         /* bits of the facts that others are to answer */
    struct uses *uses;                 /* what it needs of a role, in the scratch; NULL: not told */
    struct readings *read;             /* by a decision, in the scratch; NULL: nothing is */
    struct decision floor; /* --mode audit: of the role that nothing is let through against */
    struct str image;      /* of the decision on what is sent on, see struct decision */
    struct str made;       /* ID of the container that was made, in the arena; p NULL: not known */
    struct arena arena;
    struct body body; /* when it must be whole before the decision */
};

struct conn;

/* What the daemon has last said of itself, which costs it some 10 ms (it starts programs to find
   their versions), where an object's inspect costs 0.1. */
struct kept {
    struct arena arena; /* holds the text */
    struct str text;    /* p NULL: nothing is kept */
    uint64_t until_ms;  /* monotonic: when it is asked again */
};

enum { PATH_SHOWN_MAX = 4 << 10 }; /* bytes of a path in an audit line */

struct context {
    struct loop loop;
    const struct config *config;
    struct snapshot *snapshot; /* of new requests; a reference */
    struct shared *shared;
    struct audit_sink *sink;
    struct audit_batch batch;    /* lines of this turn */
    struct metrics *metrics;     /* what this loop counts; NULL: nothing */
    struct sockaddr_un upstream; /* the real daemon */
    const char *upstream_name;   /* for messages */
    gid_t upstream_gid;          /* of its socket at start */
    char upstream_group[64];     /* its name; "" when unknown */
    struct arena scratch;        /* of one decision at a time */
    struct inquiry *inquiries;   /* free ones */
    size_t inquiry_count;
    /* Of one call, and too large for its stack frame, which is wiped each time. */
    struct http_response answer;
    struct request sent;
    char path_shown[PATH_SHOWN_MAX];
    struct kept info, version;
    struct registry_line *registry; /* who asks registries; NULL: no policy wants any asked */
    struct trust_desk *desk;        /* where signatures are asked for */
    char id_prefix[24];             /* makes request ids unique over loops and restarts */
    uint64_t next_id;
    EVP_MD *sha256; /* owned by the process */
    EVP_MD_CTX *digest;
    struct conn *conns; /* all connections of this loop */
    struct conn *sweep; /* after a reload: the next one to look at */
    struct task sweeping;
    size_t conn_count;
    size_t conn_peak; /* most of them since memory was last given back */
    bool draining;    /* stopping: finish what runs, take nothing new */
};

#endif
