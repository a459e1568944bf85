/* The facts that a decision wants, asked of the daemon: one GET each. The first goes over the
   client's own connection to the daemon, more at a time over connections of their own, which take
   one after another and are closed with the look-up. It decides nothing and waits for nobody: it is
   stepped whenever a stream is ready, and whoever steps it keeps the clock. */
#ifndef PROXY_LOOKUP_H
#define PROXY_LOOKUP_H

#include "context.h"
#include "stream.h"

struct lookup;

enum {
    LOOKUP_LINES_MAX = 8,       /* connections to the daemon that one decision may ask over */
    LOOKUP_FURTHER_MAX = 64,    /* connections beside the clients' own, of all loops together */
    LOOKUP_TEXT_MAX = 16 << 20, /* bytes of answers of one decision */
    LOOKUP_HELD_MAX = 64 << 20, /* bytes of answers that all loops hold at a time */
    LOOKUP_PEER_MAX = 32 << 20, /* of these for one client */
    LOOKUP_KEPT_MAX = 64 << 10, /* bytes of what a loop keeps of /info and /version, each */
    LOOKUP_KEPT_S = 10,         /* seconds that it does; nothing of any object is kept */
    LOOKUP_S = 10               /* seconds that all look-ups of one decision may take */
};

enum lookup_status {
    LOOKUP_DONE,  /* nothing is wanted any more */
    LOOKUP_WAIT,  /* until a stream is ready */
    LOOKUP_YIELD, /* this turn's share is used up; go on in the next turn */
    LOOKUP_AWAY,  /* the daemon cannot be reached; errno says why */
};

/* Who asks. upstream may be closed: then it is opened, and kept afterwards if it can be. role: the
   name of the role that decides. peer_held: what counts the bytes that are held for the client, and
   outlives the look-up; NULL: nothing does. on_ready is called with arg when stepping may help. */
struct lookup_plan {
    struct context *context;
    struct stream *upstream;
    const char *role;
    atomic_size_t *peer_held;
    void (*on_ready)(void *arg);
    void *arg;
};

/* For the facts of one decision; they outlive it, and their answers belong to it. NULL when out of
   memory. */
struct lookup *lookup_new(const struct lookup_plan *plan, struct facts *facts);
/* Closes what it opened, and the client's connection when an answer is outstanding there. */
void lookup_free(struct lookup *lookup);
/* Asks for what is wanted and takes in what has come. */
enum lookup_status lookup_step(struct lookup *lookup);
/* Drops what a loop keeps of the daemon itself. */
void lookup_forget(struct context *context);

/* From now on nothing goes over the client's own connection to the daemon, on which the request is
   sent on; what else is open is closed until it is needed. Only while no question is outstanding.
 */
void lookup_go_apart(struct lookup *lookup);
/* Nothing else is asked for any more: the daemon is told to remove this container, whose full ID
   outlives the look-up, with its anonymous volumes, whether it runs or not. Behind
   lookup_go_apart(). */
void lookup_remove(struct lookup *lookup, struct str id);
/* The same with any request without a body that may be sent twice, as it begins ("DELETE
   /images/x"); the text outlives the look-up. */
void lookup_send(struct lookup *lookup, struct str request);
/* After LOOKUP_DONE: has the daemon done it? False: *why says what it answered. */
bool lookup_sent(const struct lookup *lookup, struct str *why);
/* After LOOKUP_DONE: is it gone? False: *why says what the daemon answered. */
bool lookup_removed(const struct lookup *lookup, struct str *why);

#endif
