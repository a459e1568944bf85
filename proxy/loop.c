/* One event loop: turns, buffers, timers. It knows nothing of connections. */
#include "loop.h"

#include <event2/event_struct.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

enum { BUFFERS_KEPT = 64 }; /* free buffers a loop keeps; 4 MiB at the default size */

uint64_t clock_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t clock_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- buffers ------------------------------------------------------------------------------- */

struct buffer *loop_buffer_take(struct loop *loop)
{
    struct buffer *buffer = loop->buffers;
    if (buffer) {
        loop->buffers = buffer->next;
        loop->buffer_count--;
    } else {
        buffer = malloc(sizeof(*buffer) + loop->buffer_size);
        if (!buffer)
            return NULL;
        buffer->cap = loop->buffer_size;
    }
    buffer->next = NULL;
    buffer->off = buffer->end = 0;
    return buffer;
}

void loop_buffer_give(struct loop *loop, struct buffer *buffer)
{
    if (!buffer)
        return;
    if (loop->buffer_count >= BUFFERS_KEPT) {
        free(buffer);
        loop_tidy_later(loop);
        return;
    }
    buffer->next = loop->buffers;
    loop->buffers = buffer;
    loop->buffer_count++;
}

/* ---- tasks --------------------------------------------------------------------------------- */

static void task_add(struct task_list *list, struct task *task)
{
    if (task->queued)
        return;
    task->queued = true;
    task->next = NULL;
    *(list->last ? list->last : &list->first) = task;
    list->last = &task->next;
}

static void task_remove(struct task_list *list, struct task *task)
{
    struct task **at = &list->first;
    while (*at && *at != task)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = task->next;
    if (list->last == &task->next)
        list->last = at == &list->first ? NULL : at;
    task->next = NULL;
    task->queued = false;
}

/* Runs what is queued now; what the tasks queue themselves waits for the next call. The tasks are
   counted, not moved, so that loop_cancel() still finds one that has not run yet. */
static void task_run_all(struct task_list *list)
{
    size_t count = 0;
    for (struct task *task = list->first; task; task = task->next)
        count++;
    while (count-- && list->first) {
        struct task *task = list->first;
        task_remove(list, task);
        task->run(task->arg);
    }
}

void loop_again(struct loop *loop, struct task *task)
{
    task_add(&loop->again, task);
}

void loop_at_end(struct loop *loop, struct task *task)
{
    task_add(&loop->ends, task);
}

void loop_soon(struct loop *loop, struct task *task)
{
    struct timeval pause = {.tv_sec = 0, .tv_usec = LOOP_SOON_MS * 1000L};
    task_add(&loop->soon, task);
    if (!evtimer_pending(loop->soon_event, NULL))
        event_add(loop->soon_event, &pause);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop *loop = arg;
    task_run_all(&loop->soon);
}

void loop_cancel(struct loop *loop, struct task *task)
{
    if (!task->queued)
        return;
    task_remove(&loop->again, task);
    task_remove(&loop->soon, task);
    task_remove(&loop->ends, task);
}

/* ---- timers -------------------------------------------------------------------------------- */

static void timer_unlink(struct loop *loop, struct timer *timer)
{
    if (!timer->next)
        return;
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
    loop->timers--;
}

static void timer_link(struct loop *loop, struct timer *timer)
{
    uint64_t second = timer->deadline_ms / 1000 + 1;
    if (second <= loop->tick)
        second = loop->tick + 1;
    /* Far deadlines sit in the slot that comes round last, and are looked at again there. */
    if (second > loop->tick + LOOP_WHEEL_SLOTS - 1)
        second = loop->tick + LOOP_WHEEL_SLOTS - 1;
    struct timer *head = &loop->wheel[second % LOOP_WHEEL_SLOTS];
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
    loop->timers++;
    if (!loop->tick_armed) {
        struct timeval one = {.tv_sec = 1, .tv_usec = 0};
        loop->tick_armed = event_add(loop->tick_event, &one) == 0;
    }
}

void timer_set(struct loop *loop, struct timer *timer, uint64_t ms)
{
    if (ms)
        loop->now_ms = clock_now_ms(); /* a turn may have slept since it was last read */
    uint64_t deadline = ms ? loop->now_ms + ms : 0;
    /* A later deadline is found when the old one comes due: no relinking for each request. */
    bool later = deadline && timer->next && timer->deadline_ms && deadline >= timer->deadline_ms;
    timer->deadline_ms = deadline;
    if (later || (!deadline && timer->next))
        return; /* a disarmed timer leaves its slot when that comes due */
    timer_unlink(loop, timer);
    if (deadline)
        timer_link(loop, timer);
}

void timer_drop(struct loop *loop, struct timer *timer)
{
    timer->deadline_ms = 0;
    timer_unlink(loop, timer);
}

static void wheel_fire_slot(struct loop *loop, struct timer *head)
{
    /* Only what is there now: a timer that is linked again must not be met twice. */
    struct timer due = {.prev = &due, .next = &due};
    if (head->next != head) {
        due.next = head->next;
        due.prev = head->prev;
        due.next->prev = &due;
        due.prev->next = &due;
        head->next = head->prev = head;
    }
    while (due.next != &due) {
        struct timer *timer = due.next;
        timer_unlink(loop, timer);
        if (timer->deadline_ms == 0)
            continue;
        if (timer->deadline_ms > loop->now_ms) {
            timer_link(loop, timer);
            continue;
        }
        timer->deadline_ms = 0;
        timer->fire(timer->arg);
    }
}

static void wheel_advance(struct loop *loop)
{
    uint64_t second = loop->now_ms / 1000;
    if (loop->timers == 0) {
        loop->tick = second;
        return;
    }
    while (loop->tick < second) {
        loop->tick++;
        wheel_fire_slot(loop, &loop->wheel[loop->tick % LOOP_WHEEL_SLOTS]);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop *loop = arg;
    if (loop->timers == 0 && event_del(loop->tick_event) == 0)
        loop->tick_armed = false;
}

/* What a burst has needed lies between what stays, so malloc gives none of it back by itself. */
static void on_tidy(void *arg)
{
    struct loop *loop = arg;
    while (loop->buffer_count > BUFFERS_KEPT / 8) {
        struct buffer *buffer = loop->buffers;
        loop->buffers = buffer->next;
        loop->buffer_count--;
        free(buffer);
    }
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void loop_tidy_later(struct loop *loop)
{
    loop->tidy.fire = on_tidy;
    loop->tidy.arg = loop;
    timer_set(loop, &loop->tidy, LOOP_TIDY_MS);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void on_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* libevent's heap of timeouts grows and never shrinks: afterwards this many find room in it. */
static bool reserve_timeouts(struct loop *loop)
{
    struct event events[LOOP_TIMEOUTS_MAX];
    const struct timeval far = {.tv_sec = 3600, .tv_usec = 0};
    size_t count = 0;
    while (count < ARRAY_LEN(events) &&
           evtimer_assign(&events[count], loop->base, on_nothing, NULL) == 0 &&
           event_add(&events[count], &far) == 0)
        count++;
    for (size_t i = 0; i < count; i++)
        event_del(&events[i]);
    return count == ARRAY_LEN(events);
}

bool loop_open(struct loop *loop, size_t buffer_size)
{
    *loop = (struct loop){.buffer_size = buffer_size, .now_ms = clock_now_ms()};
    loop->tick = loop->now_ms / 1000;
    for (size_t i = 0; i < LOOP_WHEEL_SLOTS; i++)
        loop->wheel[i].prev = loop->wheel[i].next = &loop->wheel[i];
    struct event_config *config = event_config_new();
    if (!config)
        return false;
    /* Without libevent's list of changes for the next turn: it would hide from event_add() that the
       kernel has refused, and take a descriptor out after it was closed, when another loop may have
       its number. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (!loop->base || !reserve_timeouts(loop))
        return false;
    loop->tick_event = event_new(loop->base, -1, EV_PERSIST, on_tick, loop);
    loop->soon_event = evtimer_new(loop->base, on_soon, loop);
    return loop->tick_event && loop->soon_event;
}

void loop_close(struct loop *loop)
{
    if (loop->tick_event)
        event_free(loop->tick_event);
    if (loop->soon_event)
        event_free(loop->soon_event);
    if (loop->base)
        event_base_free(loop->base);
    while (loop->buffers) {
        struct buffer *buffer = loop->buffers;
        loop->buffers = buffer->next;
        free(buffer);
    }
    *loop = (struct loop){.base = NULL};
}

void loop_run(struct loop *loop)
{
    while (!loop->stop) {
        bool busy = loop->again.first || loop->ends.first;
        int flags = EVLOOP_ONCE | (busy ? EVLOOP_NONBLOCK : 0);
        if (event_base_loop(loop->base, flags) < 0)
            break;
        loop->now_ms = clock_now_ms();
        task_run_all(&loop->again);
        wheel_advance(loop);
        if (loop->on_turn_end)
            loop->on_turn_end(loop->turn_arg);
        if (!loop->ends.first)
            continue;
        task_run_all(&loop->ends);
        if (loop->on_turn_end) /* what those have written must not wait for the next event */
            loop->on_turn_end(loop->turn_arg);
    }
}
