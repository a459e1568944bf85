/* A filter over the body of a response, without its framing: objects are left out or changed, all
   else passes byte for byte. Its memory is bounded, and none is held between pieces unless an
   object is half there. Nothing depends on where the input is split. What is malformed or too large
   breaks the answer: nothing more comes out. It knows no HTTP and judges nothing itself. */
#ifndef PROXY_FILTER_H
#define PROXY_FILTER_H

#include "hide.h"
#include "pieces.h"
#include "policy.h"

enum filter_shape {
    FILTER_WHOLE, /* the whole body, handed to rewrite at its end */
    FILTER_ARRAY, /* an array of objects, or an object with one as its member */
    FILTER_LINES, /* objects one behind the other, with blanks between; each passes at once */
};

enum filter_verdict {
    FILTER_FAIL = 0, /* cannot tell */
    FILTER_KEEP,
    FILTER_HIDE,
    FILTER_CHANGE, /* *changed takes its place; it may be in the arena */
};

struct filter_bytes {
    char *p; /* owned */
    size_t n, cap;
};

struct filter {
    /* Set by the caller. */
    enum filter_shape shape;
    struct str member; /* FILTER_ARRAY: of the object, as Go matches names; p NULL: no object */
    bool records;      /* FILTER_LINES: 0x1E may stand before an object (RFC 7464) */
    size_t limit;      /* bytes of an object, or of the whole; 0: FILTER_HELD_MAX */
    enum filter_verdict (*judge)(void *arg, const struct json *object, struct arena *arena,
                                 struct str *changed);
    bool (*rewrite)(void *arg, struct str body, struct arena *arena, struct str *out);
    void *arg;
    bool (*sink)(void *sink_arg, struct str bytes); /* false: nobody takes them any more */
    void *sink_arg;

    /* Its own, zeroed. */
    unsigned state;
    bool nested; /* in the object that holds the array */
    bool here;   /* the member's value is the array */
    bool any;    /* an element has passed */
    bool silent; /* the last object was left out: the blanks behind it are, too */
    bool failed;
    struct json_span span;
    size_t start;             /* in held: where the value begins */
    size_t comma;             /* in held: behind the comma before it */
    struct filter_bytes held; /* not decided yet */
    struct filter_bytes out;  /* decided, not handed out yet */
    struct arena arena;       /* of one judgement */
};

/* Takes the next bytes of the body, and hands out what is decided. False: the answer is broken; it
   was, or is now, and the connection must end without an end of the body. */
bool filter_feed(struct filter *filter, struct str bytes);
/* The body has ended. False: in the middle of something, or as above. */
bool filter_end(struct filter *filter);
void filter_free(struct filter *filter);

/* Do these answers put 0x1E before each object? Case and parameters of the type do not count. */
bool filter_is_records(struct str content_type);

/* ---- hiding -------------------------------------------------------------------------------- */

/* What a client may not see, as arg of the two below. */
struct filter_hide {
    const struct hide *hide;
    enum hide_shape shape;
    const struct hide_ids *visible; /* containers seen in networks; NULL: all but the own */
    enum operation op;
};

enum filter_verdict filter_hide_judge(void *arg, const struct json *object, struct arena *arena,
                                      struct str *changed);
bool filter_hide_rewrite(void *arg, struct str body, struct arena *arena, struct str *out);

/* Could the 200 answer to this request, as it is sent on, name anything that is hidden? */
bool filter_hide_needed(const struct hide *hide, const struct request *request);

/* Makes a filter for the 200 answer of an operation, by its Content-Type. False: the operation's
   answers name no objects that could be hidden this way. The caller sets sink, and visible. */
bool filter_hide_open(struct filter *filter, struct filter_hide *arg, const struct hide *hide,
                      enum operation op, struct str content_type);

/* ---- emptying ------------------------------------------------------------------------------ */

/* What is emptied in what is not hidden, as arg of a filter. */
struct filter_redact {
    struct filter_hide hide;
    bool hides;     /* something is hidden, too */
    unsigned kinds; /* of enum redact_kind */
    enum operation op;
};

/* Makes a filter for an answer below 300 that empties what these kinds name; hide: what is hidden
   in it, too, or NULL. False: it cannot be told where the answer holds that. The caller sets sink.
 */
bool filter_redact_open(struct filter *filter, struct filter_redact *arg, const struct hide *hide,
                        unsigned kinds, enum operation op, struct str content_type);

#endif
