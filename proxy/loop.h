/* What one event loop shares among its streams: the libevent base, buffers, coarse timers, and the
   work that waits for the end of a turn. A loop belongs to one thread; nothing here is locked. */
#ifndef PROXY_LOOP_H
#define PROXY_LOOP_H

#include "base.h"

#include <event2/event.h>

/* A piece of contiguous memory that bytes are read into. Streams hold one only while something is
   pending; idle connections hold none. */
struct buffer {
    struct buffer *next; /* in the pool */
    size_t off, end;     /* pending bytes are data[off..end) */
    size_t cap;
    char data[];
};

/* Work of a connection; linked into at most one list at a time. */
struct task {
    struct task *next;
    void (*run)(void *arg);
    void *arg;
    bool queued;
};

struct task_list {
    struct task *first;
    struct task **last; /* NULL while empty */
};

/* A deadline with a resolution of one second. */
struct timer {
    struct timer *prev, *next; /* in a slot of the wheel; NULL when not armed */
    uint64_t deadline_ms;      /* monotonic; 0: not armed */
    void (*fire)(void *arg);
    void *arg;
};

enum {
    LOOP_WHEEL_SLOTS = 256, /* seconds until a slot comes round again */
    LOOP_SOON_MS = 20,      /* pause before something is tried again */
    LOOP_TIDY_MS = 1000,    /* after a burst: when its memory goes back to the kernel */
    LOOP_TIMEOUTS_MAX = 64, /* of libevent's own that can be set without memory */
};

struct loop {
    struct event_base *base;
    uint64_t now_ms;        /* monotonic; of this turn or later */
    size_t buffer_size;     /* bytes of a pooled buffer */
    struct buffer *buffers; /* free ones */
    size_t buffer_count;    /* how many are free */
    size_t pipes;           /* that streams hold, see bypass.h */
    struct task_list again; /* to run in the next turn, before which nobody sleeps */
    struct task_list soon;  /* to run LOOP_SOON_MS after the first of them came */
    struct event *soon_event;
    struct task_list ends; /* to run at the end of this turn, after on_turn_end */
    void (*on_turn_end)(void *arg);
    void *turn_arg;
    struct timer wheel[LOOP_WHEEL_SLOTS]; /* list heads */
    uint64_t tick;                        /* second up to which the wheel has fired */
    size_t timers;                        /* armed ones */
    struct event *tick_event;
    bool tick_armed;
    struct timer tidy; /* armed since a burst */
    bool stop;
};

/* buffer_size in bytes: at least one request head. False when out of memory. */
bool loop_open(struct loop *loop, size_t buffer_size);
void loop_close(struct loop *loop);
/* Runs turns until loop->stop. A turn: events, tasks of loop_again, timers, on_turn_end, tasks of
   loop_at_end. */
void loop_run(struct loop *loop);

/* NULL when out of memory. Empty, off and end 0. */
struct buffer *loop_buffer_take(struct loop *loop);
void loop_buffer_give(struct loop *loop, struct buffer *buffer);

/* Queue a task; once is enough until it has run. */
void loop_again(struct loop *loop, struct task *task);
void loop_at_end(struct loop *loop, struct task *task);
void loop_soon(struct loop *loop, struct task *task);
/* Takes the task off the list it is in, if any. */
void loop_cancel(struct loop *loop, struct task *task);

/* Arms or moves a timer; ms 0 disarms it. Fires at the first whole second after that. */
void timer_set(struct loop *loop, struct timer *timer, uint64_t ms);
/* Takes the timer off the wheel; call it before its memory goes. */
void timer_drop(struct loop *loop, struct timer *timer);

/* More was needed at a time than is kept for later: a second after the last of these calls the
   holes in the heap, which malloc keeps, are given back. */
void loop_tidy_later(struct loop *loop);

/* The monotonic clock: milliseconds, coarse and cheap; nanoseconds, exact. */
uint64_t clock_now_ms(void);
uint64_t clock_now_ns(void);

#endif
