/* The load generator: connections over TCP, a Unix socket or mutual TLS that all do the same thing
   for a while. What it prints, one line of JSON, holds the processor time that other processes took
   in that while, so that begin and end of both are the same. It judges nothing but the status of
   each answer. */
#include "load.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct load load = {.mode = LOAD_KEEP, .status = 200, .epoll = -1};

enum { PIDS_MAX = 64, OPENING = 64, TOOK_MAX = 4 << 20 };

static struct options {
    uint64_t connections;
    double warm, seconds;
    uint64_t body; /* bytes; rounded to whole blocks */
    bool chunked;
    const char *request, *cert, *key, *ca;
    const char *pids[PIDS_MAX];
    size_t pid_count;
} options = {.connections = 1, .warm = 0.1, .seconds = 1};

/* ---- processor time ---------------------------------------------------------------------------
 */

static uint64_t read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    unsigned long long value = 0;
    if (file && fscanf(file, "%llu", &value) != 1)
        value = 0;
    if (file)
        fclose(file);
    return value;
}

/* Nanoseconds that all threads of a process have run. */
static uint64_t ran(const char *pid)
{
    char tasks[64], path[384];
    uint64_t sum = 0;
    snprintf(tasks, sizeof(tasks), "/proc/%s/task", pid);
    DIR *dir = opendir(tasks);
    if (!dir)
        wire_fail("process %s has ended", pid);
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s/schedstat", tasks, entry->d_name);
            sum += read_number(path);
        }
    closedir(dir);
    return sum;
}

static uint64_t ran_all(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < options.pid_count; i++)
        sum += ran(options.pids[i]);
    return sum;
}

/* ---- options ----------------------------------------------------------------------------------
 */

static void set_mode(const char *value)
{
    static const char *const names[] = {
        [LOAD_KEEP] = "keep", [LOAD_FRESH] = "fresh", [LOAD_ECHO] = "echo", [LOAD_HOLD] = "hold"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], value) == 0) {
            load.mode = (enum load_mode)i;
            return;
        }
    wire_fail("unknown mode %s", value);
}

static void add_pid(const char *value)
{
    if (options.pid_count == PIDS_MAX)
        wire_fail("too many processes");
    options.pids[options.pid_count++] = value;
}

static bool set_text(struct str name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
    } texts[] = {{"to", &load.to},
                 {"request", &options.request},
                 {"cert", &options.cert},
                 {"key", &options.key},
                 {"ca", &options.ca}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (str_is(name, texts[i].name)) {
            *texts[i].text = value;
            return true;
        }
    return false;
}

static void set(char *word)
{
    struct str name = str_head(str_of(word), str_find(str_of(word), '='));
    const char *value = name.n < strlen(word) ? word + name.n + 1 : "";
    if (set_text(name, value))
        return;
    if (str_is(name, "mode"))
        set_mode(value);
    else if (str_is(name, "pid"))
        add_pid(value);
    else if (str_is(name, "connections"))
        options.connections = strtoull(value, NULL, 10);
    else if (str_is(name, "warm"))
        options.warm = strtod(value, NULL);
    else if (str_is(name, "seconds"))
        options.seconds = strtod(value, NULL);
    else if (str_is(name, "status"))
        load.status = (unsigned)strtoul(value, NULL, 10);
    else if (str_is(name, "body"))
        options.body = strtoull(value, NULL, 10);
    else if (str_is(name, "chunked"))
        options.chunked = true;
    else if (str_is(name, "echo"))
        load.echo = strtoul(value, NULL, 10);
    else if (str_is(name, "resume"))
        load.resume = true;
    else
        wire_fail("unknown option %s", word);
}

static struct str read_file(const char *path)
{
    enum { REQUEST_MAX = 4 << 20 };
    FILE *file = fopen(path, "re");
    char *text = malloc(REQUEST_MAX);
    if (!file || !text)
        wire_fail("cannot read %s: %s", path, strerror(errno));
    size_t n = fread(text, 1, REQUEST_MAX, file);
    fclose(file);
    return (struct str){text, n};
}

/* The body as blocks of chunks, or of bytes, whose number the head tells. */
static void make_body(void)
{
    enum { CHUNK = 32 << 10, BLOCK = 8 * CHUNK, LINE = 16 };
    char *bytes = malloc(BLOCK + 8 * LINE), *at = bytes;
    if (!bytes)
        wire_fail("out of memory");
    for (int i = 0; i < BLOCK / CHUNK; i++) {
        at += options.chunked ? sprintf(at, "%x\r\n", CHUNK) : 0;
        memset(at, 'a' + i, CHUNK);
        at += CHUNK;
        at += options.chunked ? sprintf(at, "\r\n") : 0;
    }
    load.block = str_from(bytes, at);
    load.times = options.body / BLOCK;
    if (options.chunked)
        load.tail = STR("0\r\n\r\n");
}

static void make_context(void)
{
    load.tls = SSL_CTX_new(TLS_client_method());
    if (!load.tls || SSL_CTX_use_certificate_file(load.tls, options.cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(load.tls, options.key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_file(load.tls, options.ca) != 1 ||
        SSL_CTX_set1_groups_list(load.tls, "X25519:P-256") != 1 ||
        SSL_CTX_set_min_proto_version(load.tls, TLS1_3_VERSION) != 1)
        wire_fail("no TLS context of %s", options.cert);
    SSL_CTX_set_verify(load.tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(load.tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                   SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(load.tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(load.tls, conn_on_session);
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static void turn(uint64_t until)
{
    struct epoll_event events[WIRE_EVENTS];
    uint64_t now = wire_now();
    int wait_ms = until > now ? (int)((until - now) / 1000000) + 1 : 0;
    int n = epoll_wait(load.epoll, events, WIRE_EVENTS, wait_ms);
    for (int i = 0; i < n; i++)
        conn_step(events[i].data.ptr);
}

static void run_for(double seconds)
{
    uint64_t until = wire_now() + (uint64_t)(seconds * 1e9);
    while (wire_now() < until)
        turn(until);
}

static void open_all(void)
{
    enum { PATIENCE_S = 60 };
    uint64_t until = wire_now() + (uint64_t)PATIENCE_S * 1000000000u;
    for (uint64_t opened = 0; load.ready < options.connections;) {
        while (opened < options.connections && opened < load.ready + OPENING) {
            conn_open();
            opened++;
        }
        if (wire_now() > until)
            wire_fail("%llu of %llu connections are answered", (unsigned long long)load.ready,
                      (unsigned long long)options.connections);
        turn(until);
    }
}

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Microseconds; of n that are sorted. */
static double percentile(size_t n, size_t percent)
{
    return n > 0 ? (double)load.took[n * percent / 100] * LOAD_TICK / 1000 : 0;
}

static void print(double seconds, uint64_t cpu)
{
    size_t n = load.requests < load.took_size ? (size_t)load.requests : load.took_size;
    qsort(load.took, n, sizeof(*load.took), compare);
    printf("{\"requests\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"cpu_ns\": %llu, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"all\": %llu, \"resumed\": %llu}\n",
           (unsigned long long)load.requests, (unsigned long long)load.bytes, seconds,
           (unsigned long long)cpu, percentile(n, 50), percentile(n, 99),
           (unsigned long long)load.all, (unsigned long long)load.resumed);
}

/* Says that all are there, and lets them be until standard input ends. */
static void hold(void)
{
    char byte;
    printf("{\"held\": %llu}\n", (unsigned long long)load.ready);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

static void measure(void)
{
    run_for(options.warm);
    uint64_t cpu = ran_all(), began = wire_now();
    load.counts = true;
    run_for(options.seconds);
    load.counts = false;
    print((double)(wire_now() - began) / 1e9, ran_all() - cpu);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    wire_raise_limits();
    for (int i = 1; i < argc; i++)
        set(argv[i]);
    if (!load.to || !options.request)
        wire_fail("to=ADDRESS and request=FILE are needed");
    load.head = read_file(options.request);
    if (options.body > 0)
        make_body();
    if (options.cert)
        make_context();
    load.took_size = TOOK_MAX;
    load.took = malloc(load.took_size * sizeof(*load.took));
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load.took || load.epoll < 0)
        wire_fail("out of memory");
    open_all();
    if (load.mode == LOAD_HOLD)
        hold();
    else
        measure();
    return 0;
}
