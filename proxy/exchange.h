/* One request and its response: head, body, decision, audit, sending on, and what comes back. The
   functions say which phase comes next; conn.c owns the phases and the clock. */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "context.h"
#include "http_response.h"
#include "identity.h"
#include "relay.h"
#include "usage.h"

struct respond_filter;
struct pulled;

/* Where a connection stands. The last two are no phases: they mean "stay". */
enum phase {
    PHASE_TLS,     /* the handshake */
    PHASE_HEAD,    /* waiting for a request, or reading its head */
    PHASE_WHO,     /* the first one is there: the daemon is asked for the container of the peer */
    PHASE_BODY,    /* reading a body that must be whole before the decision */
    PHASE_LOOKUP,  /* asking the daemon for what the decision must know */
    PHASE_HELD,    /* decided; goes on when this turn's audit lines are written */
    PHASE_CONNECT, /* the daemon's socket has no room for a connection just now */
    PHASE_RESPOND, /* sent on, or being sent: waiting for the response and relaying it */
    PHASE_VERIFY,  /* a container was made: looking at what it holds before anybody knows */
    PHASE_REMOVE,  /* it is not what was judged: the container is being removed */
    PHASE_PULLED,  /* a signed image was pulled: looking which one, before anybody knows */
    PHASE_TUNNEL,  /* raw bytes in both directions; never HTTP again */
    PHASE_DROP,    /* answered by us; the rest of the body is read and dropped */
    PHASE_LINGER,  /* our last byte is sent or queued; waiting for the client to end */
    PHASE_CLOSED,
    PHASE_COUNT,
    PHASE_WAIT = PHASE_COUNT, /* until a stream is ready */
    PHASE_YIELD,              /* until the next turn: this turn's share is used up */
};

struct exchange {
    struct context *context;
    struct stream *client;
    struct stream *upstream; /* closed (fd -1) while there is none */
    struct identity *peer;
    struct snapshot *snapshot; /* that chose `served`; a reference. NULL: nobody is known yet */
    struct client_role served; /* what the policy says of the peer; of the connection */
    struct usage *usage;       /* of the peer, of whom the connection is one; NULL: not counted */
    enum usage_place place;    /* of the connection among the peer's */
    enum metrics_span span;    /* what it counts as while it is open */
    struct inquiry *inquiry;   /* from the head until the request has been sent on, or verified */
    const struct route *route; /* NULL until known */
    const struct role *role;   /* that judged it; with would_deny the one that let it through */
    const struct role *judge;  /* with would_deny: the one that would have refused it; else NULL */
    struct head_scan scan;     /* of the request's head, then of the response's */
    uint64_t batch;            /* of audit lines, in which that of its decision is */
    struct relay up, down;     /* bodies; in a tunnel the two directions */
    uint64_t id;
    uint64_t started_ns;            /* monotonic: the head's first byte; 0: not yet */
    uint64_t client_in, client_out; /* the client's counters when the request began */
    uint16_t status;                /* of the response; 0: none yet */
    bool nameless : 1;              /* the role depends on the peer's container, not known yet */
    bool known : 1;                 /* it was, when the connection was counted as the peer's */
    bool streaming : 1;             /* counts as one of the peer's streams */
    bool http10 : 1;                /* the client speaks HTTP/1.0 */
    bool to_head : 1;               /* a HEAD: the response has no body */
    bool keep_alive : 1;            /* the client may send another request after this one */
    bool upgrade : 1;               /* an Upgrade header was sent on */
    bool has_head : 1;              /* the response's head has been relayed */
    bool reusable : 1;              /* the daemon may take another request on this connection */
    bool reused : 1;                /* it has answered one before */
    bool allowed : 1;               /* decided and recorded as such */
    bool nobody : 1;                /* would_deny, since no role is the client's */
    bool end_passed : 1;            /* the client's end has been passed on */
    bool record_end : 1;            /* an `end` line is due when it is over */
    struct respond_filter *filter;  /* what the answer is filtered by; NULL: it passes as it is */
    struct pulled *pulled;          /* what follows a pull of a signed image; NULL: nothing */
    size_t held_head;               /* bytes of a response's head whose body is awaited; 0: none */
    const char *cut;                /* static: why we ended it; NULL: we did not */
};

/* Chosen when it is known who asks: for a plain connection when it is accepted, or where the policy
   asks for the container of a Unix peer, before its first request. And again by the first request
   after a reload. */
void exchange_choose_role(struct exchange *exchange);
/* A static sentence when the certificate that this connection began with would not be taken now;
   NULL: it would, or there is none. Costs nothing while the files are the same and it is valid. */
const char *exchange_distrust(struct exchange *exchange);
/* After a reload: what is idle gets its role by the new set, and who is not trusted any more loses
   what the policy takes from him. The phase that follows, or PHASE_WAIT. */
enum phase exchange_renew(struct exchange *exchange, enum phase phase);
enum phase exchange_handshake(struct exchange *exchange);
/* Its time is over. */
enum phase exchange_handshake_late(struct exchange *exchange);
/* PHASE_HEAD to PHASE_HELD. */
enum phase exchange_read_head(struct exchange *exchange);
enum phase exchange_read_body(struct exchange *exchange);
enum phase exchange_look_up(struct exchange *exchange);
/* After the audit lines of the turn are written: connects if need be and sends the request on. */
enum phase exchange_forward(struct exchange *exchange);
enum phase exchange_respond(struct exchange *exchange);
enum phase exchange_verify(struct exchange *exchange);
enum phase exchange_remove(struct exchange *exchange);
enum phase exchange_tunnel(struct exchange *exchange);
enum phase exchange_drop(struct exchange *exchange);

/* Answers by ourselves: status and sentence as JSON. close: nothing more is read from the client
   but to drop it. Returns the phase that follows. */
enum phase exchange_answer(struct exchange *exchange, int status, const char *message, bool close);
/* The same for what never became a request that could be decided: recorded as refused, and nothing
   more is read. */
enum phase exchange_refuse(struct exchange *exchange, int status, const char *why);
/* A timer fired in this phase: answers if that is still possible. */
enum phase exchange_timeout(struct exchange *exchange, enum phase phase);
/* --stop-timeout is over. The phase that follows, or PHASE_WAIT. */
enum phase exchange_cut(struct exchange *exchange, enum phase phase);
/* Has the client gone for good, while the daemon does not take what it has sent before? Asks the
   kernel only where something waits for the daemon. */
bool exchange_client_left(const struct exchange *exchange);
/* It is over, well or badly: last audit line, memory given back, ready for the next request. */
void exchange_finish(struct exchange *exchange);

/* Frees the pool of a context. */
void exchange_pool_free(struct context *context);

/* ---- shared by the sources of the exchange, private to them -------------------------------- */

/* Appends the line of the decision ("request"), of what never became one ("refused"), or of the end
   ("end"). status 0: none was sent. False: no memory for it. */
bool record_request(struct exchange *exchange);
bool record_refused(struct exchange *exchange, int status, const char *why);
/* The same for a limit of the peer, by its rule; the line stands for count refusals. */
bool record_limited(struct exchange *exchange, const char *rule, const char *why, int status,
                    uint64_t count);
void record_end(struct exchange *exchange);
/* The line of a container that was made and did not pass when it was looked at again ("verify"). */
bool record_verify(struct exchange *exchange, int status, bool removed);
/* What came of a pull that a signature has decided. Texts are borrowed. */
struct record_pull {
    struct str reference;   /* NAME@DIGEST */
    struct str tag;         /* empty: none was asked for */
    struct str id;          /* of the image that is there; p NULL: not known */
    struct str key, format; /* of the signature; empty: not known */
    const char *why;        /* "": all is well */
    bool verified;          /* it is the image that was found signed */
    bool would_deny;        /* it is not, and --mode audit lets it be */
    bool tagged, removed;
};
bool record_pull(struct exchange *exchange, const struct record_pull *pull);

void inquiry_release(struct exchange *exchange);

/* All that is needed of the request is there: records the decision, answers a refusal, or asks the
   daemon first. Returns the phase that follows. */
enum phase exchange_decide(struct exchange *exchange);
/* Records and answers the refusal that the decision holds. */
enum phase exchange_deny(struct exchange *exchange);
/* Is the decision a refusal by policy, which --mode audit records only? What could be understood in
   two ways, and routes that nobody knows, stay refused. */
bool exchange_only_records(const struct exchange *exchange);
/* The role by whose name the request is recorded; "" when nobody is served. */
const char *exchange_role_name(const struct exchange *exchange);
/* The look-ups took too long. */
enum phase exchange_look_up_late(struct exchange *exchange);
/* Has the client gone for good? Reads what it sends, up to what a buffer holds. */
bool exchange_client_gone(struct exchange *exchange);
/* The answer to a ContainerExec must be whole before the client gets any of it, since the next
   request may be the start of the command; it is remembered then. head_length: bytes of its head,
   with which it is pending. False: more is to be awaited. */
bool exchange_note_exec(struct exchange *exchange, const struct http_response *http,
                        size_t head_length);
/* Answers what is wanted and is no question to the daemon: bind sources are looked at here. True:
   something else is wanted, too. */
bool exchange_answer_here(struct exchange *exchange);
/* Of a request that is being sent on: did its decision look at volumes, or at what bears the name
   of an image, which others may exchange until the container holds them? Then the inquiry is kept
   until exchange_verify() is through. */
bool exchange_needs_verify(const struct exchange *exchange);
/* The daemon says that the container is made; its answer is held until they have been looked at
   again. PHASE_WAIT: more of the answer is to be awaited. head_length: as above. */
enum phase exchange_begin_verify(struct exchange *exchange, const struct http_response *http,
                                 size_t head_length);
/* The look took too long, or the removal did. */
enum phase exchange_verify_late(struct exchange *exchange);
enum phase exchange_remove_late(struct exchange *exchange);
/* What is known from the answer's head: sets up the relay of its body, and whether either
   connection goes on after it. */
void exchange_plan_answer(struct exchange *exchange, const struct http_response *http);
/* Sends the client the head, with http's framing, and rest behind it. False: it cannot be. */
bool exchange_send_head(struct exchange *exchange, const struct http_response *http,
                        struct str rest);
/* Sends the client a piece of a body whose length is not known: a chunk, or to HTTP/1.0 the bytes
   alone. An empty one, whose p is not NULL, ends the body. False: the client has gone. */
bool exchange_send_chunk(struct exchange *exchange, struct str bytes);
/* The answer is relayed to its end. */
enum phase exchange_end_answer(struct exchange *exchange);
/* It cannot be passed on: 502, or the end of the connection when its head has been. */
enum phase exchange_bad_answer(struct exchange *exchange, const char *why);
/* Gives the request its number and its begin. head_length: bytes of it that were taken. */
void exchange_begin(struct exchange *exchange, size_t head_length);

#endif
