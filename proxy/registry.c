/* Questions to the registry helper, and its answers; see registry.h. */
#include "registry.h"

#include "json.h"
#include "log.h"
#include "sign_encoding.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A question under way. */
struct pending {
    struct trust_fetch *fetch; /* NULL: the place is free */
    uint64_t id;
    uint64_t deadline_ms;
    enum trust_kind kind;
    size_t max;
};

struct registry_line {
    struct loop *loop;
    struct event *event;
    struct timer timer;
    const struct registry_logins *logins;
    struct trust_source source;
    int fd; /* -1: the line has ended */
    unsigned index, seconds;
    uint64_t last_id;
    struct pending pending[REGISTRY_PENDING_MAX];
    size_t count; /* of those that are under way */
    /* The answer that comes in. */
    bool in_body;
    struct pending *reader; /* NULL: nobody wants it any more */
    uint64_t body_id;
    char *body; /* in the reader's arena */
    size_t got, size;
    char packet[REGISTRY_PACKET_MAX + 1];
};

static struct {
    atomic_bool up;
    atomic_ullong outcomes[TRUST_DEAD + 1], deaths;
} counts;

struct registry_counts registry_counts_read(void)
{
    struct registry_counts out = {.up = atomic_load(&counts.up),
                                  .deaths = atomic_load(&counts.deaths)};
    for (size_t i = 0; i <= TRUST_DEAD; i++)
        out.outcomes[i] = atomic_load(&counts.outcomes[i]);
    return out;
}

/* ---- answers ------------------------------------------------------------------------------- */

static void answer(struct trust_fetch *fetch, enum trust_outcome outcome, const char *text)
{
    fetch->outcome = outcome;
    snprintf(fetch->error, sizeof(fetch->error), "%s", text);
    atomic_fetch_add(&counts.outcomes[outcome], 1);
}

static void forget(struct registry_line *line, struct pending *pending)
{
    if (line->reader == pending)
        line->reader = NULL;
    pending->fetch->pending = NULL;
    *pending = (struct pending){.fetch = NULL};
    line->count--;
}

/* The last thing that is done with it: whoever hears of it may ask again, or cancel others. */
static void finish(struct registry_line *line, struct pending *pending)
{
    struct trust_fetch *fetch = pending->fetch;
    forget(line, pending);
    fetch->on_done(fetch->arg);
}

/* Of those that were asked until now, and not of what is asked meanwhile. */
static void fail_until(struct registry_line *line, uint64_t last_id, enum trust_outcome outcome,
                       const char *text)
{
    line->reader = NULL;
    for (size_t i = 0; i < REGISTRY_PENDING_MAX; i++) {
        struct pending *pending = &line->pending[i];
        if (!pending->fetch || pending->id > last_id)
            continue;
        answer(pending->fetch, outcome, text);
        finish(line, pending);
    }
}

static void close_socket(struct registry_line *line)
{
    if (line->event)
        event_free(line->event);
    if (line->fd >= 0)
        close(line->fd);
    line->event = NULL;
    line->fd = -1;
    line->in_body = false;
}

/* For good: the program that starts helpers is gone, or does not keep to what was agreed. */
static void end_line(struct registry_line *line, const char *why)
{
    close_socket(line);
    atomic_store(&counts.up, false);
    log_error("registry helper: %s; registries are not asked any more by this event loop, and what "
              "needs them is refused: restart sockwarden",
              why);
    fail_until(line, line->last_id, TRUST_DEAD, "the registry helper has ended");
}

static void tell_death(int status)
{
    static struct log_limit said;
    atomic_fetch_add(&counts.deaths, 1);
    if (WIFSIGNALED(status))
        log_seldom(&said, LOG_LEVEL_WARN,
                   "the registry helper was ended by signal %d%s; another one is started",
                   WTERMSIG(status),
                   WTERMSIG(status) == SIGSYS ? " (a system call that its sandbox forbids)" : "");
    else
        log_seldom(&said, LOG_LEVEL_WARN,
                   "the registry helper has ended with status %d; another one is started",
                   WEXITSTATUS(status));
}

static void take_gone(struct registry_line *line, uint32_t status)
{
    line->in_body = false;
    atomic_store(&counts.up, false);
    if (line->index == 0)
        tell_death((int)status);
    fail_until(line, line->last_id, TRUST_DEAD, "the registry helper has ended");
}

static struct pending *find(struct registry_line *line, uint64_t id)
{
    for (size_t i = 0; i < REGISTRY_PENDING_MAX; i++)
        if (line->pending[i].fetch && line->pending[i].id == id)
            return &line->pending[i];
    return NULL;
}

/* What a registry says of a manifest's digest has to be so. */
static bool digest_holds(const struct pending *pending)
{
    const struct trust_fetch *fetch = pending->fetch;
    return pending->kind != TRUST_MANIFEST || fetch->digest.n == 0 ||
           sign_digest_of(fetch->bytes, fetch->digest);
}

static void complete(struct registry_line *line, struct pending *pending)
{
    struct trust_fetch *fetch = pending->fetch;
    fetch->bytes = (struct str){line->body, line->size};
    if (digest_holds(pending)) {
        answer(fetch, TRUST_GOT, "");
    } else {
        fetch->bytes = fetch->digest = (struct str){NULL, 0};
        answer(fetch, TRUST_ERROR, "the registry gives another digest than its manifest has");
    }
    finish(line, pending);
}

static void refuse_answer(struct registry_line *line, struct pending *pending,
                          enum trust_outcome outcome, const char *text)
{
    answer(pending->fetch, outcome, text);
    finish(line, pending);
}

/* ---- packets ------------------------------------------------------------------------------- */

/* A body that somebody wants. */
static void begin_body(struct registry_line *line, struct pending *pending,
                       const struct registry_head *head)
{
    struct trust_fetch *fetch = pending->fetch;
    fetch->media_type = arena_copy(fetch->arena, head->media_type);
    fetch->digest = arena_copy(fetch->arena, head->digest);
    line->body = arena_alloc(fetch->arena, (size_t)head->size + 1, 1);
    if (!line->body || !fetch->media_type.p || !fetch->digest.p) {
        fetch->media_type = fetch->digest = (struct str){NULL, 0};
        refuse_answer(line, pending, TRUST_DEAD, "out of memory");
        return;
    }
    if (head->size == 0)
        complete(line, pending);
    else
        line->reader = pending;
}

/* False: the helper does not keep to what was agreed. */
static bool take_head(struct registry_line *line, const struct registry_head *head)
{
    struct pending *pending = find(line, head->id);
    char shown[REGISTRY_ERROR_MAX + 1];
    if (line->in_body || head->id > line->last_id || (pending && head->size > pending->max))
        return false;
    line->in_body = head->size > 0;
    line->reader = NULL;
    line->body_id = head->id;
    line->got = 0;
    line->size = head->size;
    atomic_store(&counts.up, true);
    if (!pending)
        return true; /* cancelled, or of a helper before this one */
    if (head->outcome == TRUST_GOT)
        begin_body(line, pending, head);
    else
        refuse_answer(line, pending, (enum trust_outcome)head->outcome,
                      text_sentence(shown, sizeof(shown), head->error));
    return true;
}

static bool take_data(struct registry_line *line, const struct registry_data *data)
{
    if (!line->in_body || data->id != line->body_id || data->bytes.n > line->size - line->got)
        return false;
    if (line->reader)
        memcpy(line->body + line->got, data->bytes.p, data->bytes.n);
    line->got += data->bytes.n;
    line->in_body = line->got < line->size;
    if (!line->in_body && line->reader)
        complete(line, line->reader);
    return true;
}

static bool take_packet(struct registry_line *line, struct str packet)
{
    struct registry_head head;
    struct registry_data data;
    uint32_t status;
    switch (registry_packet_kind(packet)) {
    case REGISTRY_HEAD:
        return registry_read_head(packet, &head) && take_head(line, &head);
    case REGISTRY_DATA:
        return registry_read_data(packet, &data) && take_data(line, &data);
    case REGISTRY_GONE:
        if (!registry_read_gone(packet, &status))
            return false;
        take_gone(line, status);
        return true;
    default:
        return false;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    enum { PACKETS_A_TURN = 16 };
    struct registry_line *line = arg;
    (void)what;
    for (int i = 0; i < PACKETS_A_TURN && line->fd >= 0; i++) {
        ssize_t n = recv(fd, line->packet, sizeof(line->packet), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0)
            end_line(line, n < 0 ? strerror(errno) : "it has ended, with whoever starts it again");
        else if (!take_packet(line, (struct str){line->packet, (size_t)n}))
            end_line(line, "it has sent what it must not");
    }
}

/* ---- questions ----------------------------------------------------------------------------- */

static void watch_clock(struct registry_line *line)
{
    if (line->count > 0 && line->timer.deadline_ms == 0)
        timer_set(line->loop, &line->timer, 1000);
}

static void on_timer(void *arg)
{
    struct registry_line *line = arg;
    uint64_t now = line->loop->now_ms;
    for (size_t i = 0; i < REGISTRY_PENDING_MAX; i++)
        if (line->pending[i].fetch && now >= line->pending[i].deadline_ms)
            refuse_answer(line, &line->pending[i], TRUST_DEAD,
                          "the registry helper does not answer");
    watch_clock(line);
}

/* The operator's login for this registry, else the client's own. */
static bool choose_login(const struct registry_line *line, const struct trust_want *want,
                         struct arena *arena, struct registry_login *out)
{
    const struct registry_login *own = registry_logins_find(line->logins, want->host);
    *out = (struct registry_login){.user = {NULL, 0}};
    if (own)
        *out = *own;
    return own || want->auth.n == 0 || registry_login_of_header(want->auth, arena, out);
}

/* NULL: there is no place. */
static struct pending *remember(struct registry_line *line, const struct trust_want *want,
                                struct trust_fetch *fetch)
{
    size_t at = 0;
    while (at < REGISTRY_PENDING_MAX && line->pending[at].fetch)
        at++;
    if (at == REGISTRY_PENDING_MAX)
        return NULL;
    line->pending[at] = (struct pending){
        .fetch = fetch,
        .id = ++line->last_id,
        .deadline_ms = line->loop->now_ms + (uint64_t)(line->seconds + REGISTRY_GRACE_S) * 1000,
        .kind = want->kind,
        .max = want->max < REGISTRY_BODY_MAX ? want->max : REGISTRY_BODY_MAX,
    };
    fetch->pending = &line->pending[at];
    line->count++;
    return &line->pending[at];
}

/* NULL, or what is wrong with the helper. */
static const char *send_ask(struct registry_line *line, const struct pending *pending,
                            const struct trust_want *want, const struct registry_login *login)
{
    const struct registry_ask ask = {.id = pending->id,
                                     .kind = want->kind,
                                     .max = (uint32_t)pending->max,
                                     .host = want->host,
                                     .repository = want->repository,
                                     .reference = want->reference,
                                     .login = *login};
    size_t n = registry_write_ask(&ask, line->packet);
    if (n == 0)
        return "a name or a login is too long to ask with";
    if (send(line->fd, line->packet, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n)
        return NULL;
    return errno == EAGAIN ? "the registry helper is busy" : "the registry helper has ended";
}

static bool fetch_now(struct registry_line *line, const struct trust_want *want,
                      struct trust_fetch *fetch)
{
    struct registry_login login;
    fetch->bytes = fetch->media_type = fetch->digest = (struct str){NULL, 0};
    if (line->fd < 0) {
        answer(fetch, TRUST_DEAD, "the registry helper has ended");
        return true;
    }
    if (!choose_login(line, want, fetch->arena, &login)) {
        answer(fetch, TRUST_ERROR, "the client's X-Registry-Auth cannot be read");
        return true;
    }
    struct pending *pending = remember(line, want, fetch);
    const char *wrong =
        pending ? send_ask(line, pending, want, &login) : "too many questions wait for registries";
    if (!wrong) {
        watch_clock(line);
        return false;
    }
    if (pending)
        forget(line, pending);
    answer(fetch, TRUST_DEAD, wrong);
    return true;
}

static bool source_fetch(void *self, const struct trust_want *want, struct trust_fetch *fetch)
{
    return fetch_now(self, want, fetch);
}

static void source_cancel(void *self, struct trust_fetch *fetch)
{
    struct registry_line *line = self;
    struct pending *pending = fetch->pending;
    char packet[16];
    if (!pending)
        return;
    size_t n = registry_write_cancel(pending->id, packet);
    forget(line, pending);
    /* Where it does not arrive, an answer comes that nobody reads. */
    ssize_t ignored = line->fd < 0 ? 0 : send(line->fd, packet, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)ignored;
}

/* ---- the line ------------------------------------------------------------------------------ */

struct registry_line *registry_line_open(struct loop *loop, int fd, unsigned index,
                                         unsigned seconds)
{
    struct registry_line *line = calloc(1, sizeof(*line));
    if (!line) {
        close(fd);
        return NULL;
    }
    line->loop = loop;
    line->fd = fd;
    line->index = index;
    line->seconds = seconds;
    line->timer = (struct timer){.fire = on_timer, .arg = line};
    line->source = (struct trust_source){line, source_fetch, source_cancel};
    line->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_readable, line);
    if (!line->event || event_add(line->event, NULL) != 0) {
        registry_line_close(line);
        return NULL;
    }
    atomic_store(&counts.up, true);
    return line;
}

void registry_line_close(struct registry_line *line)
{
    if (!line)
        return;
    close_socket(line);
    timer_drop(line->loop, &line->timer);
    free(line);
}

void registry_line_use(struct registry_line *line, const struct registry_logins *logins)
{
    if (line)
        line->logins = logins;
}

const struct trust_source *registry_line_source(struct registry_line *line)
{
    return line ? &line->source : NULL;
}
