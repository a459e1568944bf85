/* What the proxy and its registry helper say to each other: one packet of SOCK_SEQPACKET each, of
   numbers and texts with their length before them. Packets are written and read here, and nothing
   is sent. What a helper writes may have been written by whoever has taken it over: all of it is
   checked, and what is wrong anywhere is no packet. */
#ifndef PROXY_REGISTRY_WIRE_H
#define PROXY_REGISTRY_WIRE_H

#include "base.h"

enum {
    REGISTRY_PACKET_MAX = 56 << 10, /* bytes; three fit into a socket's usual buffer */
    REGISTRY_DATA_MAX = 48 << 10,   /* bytes of an answer's body in one packet */
    REGISTRY_BODY_MAX = 4 << 20,    /* bytes of a body: the limit of manifests */
    REGISTRY_HOST_MAX = 255,        /* bytes of the texts of a question */
    REGISTRY_NAME_MAX = 255,
    REGISTRY_LOGIN_MAX = 16 << 10, /* bytes of each text of a login */
    REGISTRY_TYPE_MAX = 255,       /* bytes of a media type */
    REGISTRY_DIGEST_MAX = 135,     /* bytes of a digest: sha512 and its name */
    REGISTRY_ERROR_MAX = 190,      /* bytes of a phrase */
    REGISTRY_LIST_MAX = 8 << 10,   /* bytes of a list of hosts */
    REGISTRY_LINES_MAX = 64,       /* event loops of the proxy, each with a socket of its own */
    REGISTRY_JOBS_MAX = 16,        /* questions that the helper works at at a time */
    REGISTRY_QUEUE_MAX = 64,       /* that wait for one of those to end */
    REGISTRY_HOST_JOBS_MAX = 8,    /* of those questions, of one registry: others have the rest */
    REGISTRY_HOST_QUEUE_MAX = 48,  /* of those that wait, likewise */
};

enum registry_packet {
    REGISTRY_SETUP = 1, /* to the helper, once */
    REGISTRY_READY,     /* its answer: an error, or none */
    REGISTRY_ASK,       /* to the helper */
    REGISTRY_CANCEL,
    REGISTRY_HEAD, /* to the proxy: how an answer begins; its body follows without a gap */
    REGISTRY_DATA,
    REGISTRY_GONE, /* to the proxy: the helper has ended, and what was asked is not answered */
};

/* As whom the registry is asked. All borrowed; empty texts are not given. */
struct registry_login {
    struct str user, password;
    struct str identity; /* refresh token of OAuth2 */
    struct str token;    /* Bearer token, used as it is */
};

/* Settings of the helper, which are the same for all questions. Lists are joined by blanks. */
struct registry_setup {
    uint32_t lines;
    uint32_t uid, gid; /* to become, when switches is set */
    bool switches, sandbox;
    uint32_t seconds;         /* for one answer, with all that it takes */
    struct str ca;            /* PEM file; empty: the system's */
    struct str proxy;         /* URL; empty: none */
    struct str direct;        /* hosts that are asked without the proxy */
    struct str private_hosts; /* may have private addresses */
    struct str plain_hosts;   /* are asked by plain HTTP */
    struct str token_hosts;   /* may be named as realm by any registry */
};

struct registry_ask {
    uint64_t id;   /* never used twice on a line */
    unsigned kind; /* enum trust_kind */
    uint32_t max;  /* bytes of the body */
    struct str host, repository, reference;
    struct registry_login login;
};

struct registry_head {
    uint64_t id;
    unsigned outcome; /* enum trust_outcome */
    uint32_t size;    /* bytes of the body; 0 unless TRUST_GOT */
    struct str media_type, digest;
    struct str error; /* empty where TRUST_GOT or TRUST_ABSENT */
};

struct registry_data {
    uint64_t id;
    struct str bytes; /* never empty */
};

/* Each writes one packet to out, REGISTRY_PACKET_MAX bytes, and gives its length; 0: a text is
   longer than it may be. */
size_t registry_write_setup(const struct registry_setup *setup, char *out);
size_t registry_write_ready(struct str error, char *out);
size_t registry_write_ask(const struct registry_ask *ask, char *out);
size_t registry_write_cancel(uint64_t id, char *out);
size_t registry_write_head(const struct registry_head *head, char *out);
size_t registry_write_data(const struct registry_data *data, char *out);
size_t registry_write_gone(uint32_t status, char *out);

/* Each reads one packet whole; texts are slices of it. False: it is not such a packet. */
bool registry_read_setup(struct str packet, struct registry_setup *out);
bool registry_read_ready(struct str packet, struct str *error);
bool registry_read_ask(struct str packet, struct registry_ask *out);
bool registry_read_cancel(struct str packet, uint64_t *id);
bool registry_read_head(struct str packet, struct registry_head *out);
bool registry_read_data(struct str packet, struct registry_data *out);
bool registry_read_gone(struct str packet, uint32_t *status);
/* What the packet says that it is; 0: it is empty. */
unsigned registry_packet_kind(struct str packet);

#endif
