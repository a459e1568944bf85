/* libFuzzer target for what the registry helper says: packets, each behind two bytes of length, to
   a line that has asked four questions, one of which is cancelled. Each is answered once at most.
 */
#include "log.h"
#include "registry.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __wrap_log_at(enum log_level level, const char *format, ...);
void __wrap_log_seldom(struct log_limit *limit, enum log_level level, const char *format, ...);

void __wrap_log_at(enum log_level level, const char *format, ...)
{
    (void)level;
    (void)format;
}

void __wrap_log_seldom(struct log_limit *limit, enum log_level level, const char *format, ...)
{
    (void)limit;
    (void)level;
    (void)format;
}

enum { QUESTIONS = 4, MAX = 1000 };

static struct loop loop;
static int answers[QUESTIONS];

static void on_done(void *arg)
{
    ++*(int *)arg;
}

static void check(const struct trust_fetch *fetch, int count)
{
    if (count > 1 || (count == 1 && fetch->outcome == TRUST_GOT && fetch->bytes.n > MAX))
        abort();
    /* All of it is there to be read. */
    volatile char sum = 0;
    for (size_t i = 0; count == 1 && i < fetch->bytes.n; i++)
        sum = (char)(sum ^ fetch->bytes.p[i]);
}

static void feed(int fd, const uint8_t *data, size_t size)
{
    while (size >= 2) {
        size_t n = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        if (n > size)
            n = size;
        if (n > 0 && send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return;
        data += n;
        size -= n;
        event_base_loop(loop.base, EVLOOP_NONBLOCK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trust_fetch fetches[QUESTIONS];
    struct arena arena = {.limit = 1 << 20};
    const struct trust_want want = {
        .host = STR("r"), .repository = STR("a"), .reference = STR("1"), .max = MAX};
    int pair[2];
    if ((!loop.base && !loop_open(&loop, 4096)) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) != 0)
        return 0;
    struct registry_line *line = registry_line_open(&loop, pair[0], 1, 5);
    const struct trust_source *source = registry_line_source(line);
    for (size_t i = 0; i < QUESTIONS; i++) {
        answers[i] = 0;
        fetches[i] = (struct trust_fetch){.on_done = on_done, .arg = &answers[i], .arena = &arena};
        if (source->fetch(source->self, &want, &fetches[i]))
            abort();
    }
    feed(pair[1], data, size / 2);
    source->cancel(source->self, &fetches[2]);
    int before = answers[2];
    feed(pair[1], data + size / 2, size - size / 2);
    if (answers[2] != before)
        abort();
    for (size_t i = 0; i < QUESTIONS; i++)
        check(&fetches[i], answers[i]);
    registry_line_close(line);
    close(pair[1]);
    arena_free(&arena);
    return 0;
}
