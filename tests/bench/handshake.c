/* What a TLS connection costs the proxy: CPU time of its threads for a handshake with certificates
   on both sides, one GET /_ping and the end, full and resumed, beside a bare server of OpenSSL's
   that does the same in a process of its own: no daemon, no policy, no log. Rounds of all rows
   are interleaved. Absolute figures move with the machine and with what else runs there, ratios
   less: a row is met when the proxy's cheapest round is within the target, or within the multiple
   of the bare server's that the target was on the machine where it was set, times SLACK where that
   is given. Prints a Markdown table; exits 1 when a row is not met. It measures no throughput and
   no waiting. */
#include "base.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ROUNDS_DEFAULT = 15,
    ROUNDS_MAX = 1000,
    BATCH = 40, /* connections of a measurement */
    WAIT_S = 20,
    DAEMON_CONNECTIONS = 64,
};

static const char ping[] = "GET /_ping HTTP/1.1\r\nHost: docker\r\nUser-Agent: bench\r\n\r\n";
static const char pong[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

static char folder[] = "/tmp/bench-handshake-XXXXXX";
enum { BARE, PROXY, SIDES };
static struct side {
    pid_t pid;
    struct sockaddr_in address;
} sides[SIDES];

static void clean_up(void)
{
    for (size_t i = 0; i < SIDES; i++)
        if (sides[i].pid > 0) {
            kill(sides[i].pid, SIGTERM);
            waitpid(sides[i].pid, NULL, 0);
        }
    char command[sizeof(folder) + 16];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0)
        fprintf(stderr, "bench-handshake: %s is left behind\n", folder);
}

static _Noreturn void PRINTF_LIKE(1, 2) fail(const char *format, ...)
{
    va_list args;
    fputs("bench-handshake: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    ERR_print_errors_fp(stderr);
    clean_up();
    exit(1);
}

static const char *in_folder(const char *name)
{
    static char paths[8][128];
    static unsigned at;
    char *path = paths[at++ % ARRAY_LEN(paths)];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* ---- the daemon -------------------------------------------------------------------------------
 */

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, DAEMON_CONNECTIONS) != 0)
        fail("cannot listen on %s: %s", path, strerror(errno));
    return fd;
}

/* Whatever comes is a request without a body, and is answered. */
static void *run_daemon(void *arg)
{
    struct pollfd fds[DAEMON_CONNECTIONS] = {{.fd = *(int *)arg, .events = POLLIN}};
    nfds_t count = 1;
    while (poll(fds, count, -1) > 0) {
        for (nfds_t i = count; i-- > 1;) {
            char request[4096];
            if (fds[i].revents && recv(fds[i].fd, request, sizeof(request), 0) > 0) {
                send(fds[i].fd, pong, sizeof(pong) - 1, MSG_NOSIGNAL);
            } else if (fds[i].revents) {
                close(fds[i].fd);
                fds[i] = fds[--count];
            }
        }
        if (fds[0].revents && count < DAEMON_CONNECTIONS)
            fds[count++] = (struct pollfd){.fd = accept(fds[0].fd, NULL, NULL), .events = POLLIN};
    }
    return NULL;
}

/* ---- the proxy --------------------------------------------------------------------------------
 */

static int listen_tcp(struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)address, length) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &length) != 0)
        fail("cannot listen: %s", strerror(errno));
    return fd;
}

static void exec_proxy(const char *bin, int listener)
{
    char upstream[160], pid[16];
    enum { FIRST_INHERITED = 3 };
    snprintf(upstream, sizeof(upstream), "unix://%s", in_folder("daemon.sock"));
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if (dup2(listener, FIRST_INHERITED) < 0 || setenv("LISTEN_FDS", "1", 1) != 0 ||
        setenv("LISTEN_PID", pid, 1) != 0)
        _exit(1);
    execl(bin, bin, "serve", "--host", "fd://", "--upstream", upstream, "--log-level", "warn",
          "--audit-log", in_folder("audit"), "--tlscert", in_folder("server-cert.pem"), "--tlskey",
          in_folder("server-key.pem"), "--tlscacert", in_folder("ca.pem"), (char *)NULL);
    _exit(127);
}

/* serve() in a process of its own that has this listener, and does not return. */
static void start(struct side *side, void (*serve)(const char *bin, int listener), const char *bin)
{
    int listener = listen_tcp(&side->address);
    side->pid = fork();
    if (side->pid == 0)
        serve(bin, listener);
    close(listener);
    if (side->pid < 0)
        fail("cannot fork: %s", strerror(errno));
}

static int64_t read_number(const char *path)
{
    FILE *file = fopen(path, "re");
    long long value = 0;
    if (file && fscanf(file, "%lld", &value) != 1)
        value = 0;
    if (file)
        fclose(file);
    return value;
}

/* Nanoseconds that all threads of a side have run. */
static int64_t ran(const struct side *side)
{
    char tasks[64], path[384];
    int64_t sum = 0;
    snprintf(tasks, sizeof(tasks), "/proc/%d/task", (int)side->pid);
    DIR *dir = opendir(tasks);
    if (!dir)
        fail("a server has ended");
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s/schedstat", tasks, entry->d_name);
            sum += read_number(path);
        }
    closedir(dir);
    return sum;
}

/* ---- certificates and contexts ----------------------------------------------------------------
 */

static void make_certificates(const char *script)
{
    char command[1024];
    snprintf(command, sizeof(command),
             "exec >/dev/null; '%s' --dir %s ca && '%s' --dir %s server 127.0.0.1 && "
             "'%s' --dir %s client bench",
             script, folder, script, folder, script, folder);
    if (system(command) != 0)
        fail("%s fails", script);
}

static SSL_SESSION *session; /* the newest that the client was given */

static int on_session(SSL *ssl, SSL_SESSION *fresh)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = fresh;
    return 1;
}

static SSL_CTX *context_new(const SSL_METHOD *method, const char *cert, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx || SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_file(ctx, in_folder("ca.pem")) != 1 ||
        SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1)
        fail("no TLS context");
    SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN); /* as Go, which docker is written in */
    return ctx;
}

static SSL_CTX *client_context(void)
{
    SSL_CTX *ctx = context_new(TLS_client_method(), in_folder("clients/bench/cert.pem"),
                               in_folder("clients/bench/key.pem"));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    return ctx;
}

/* Nothing but what must be. */
static SSL_CTX *bare_context(void)
{
    static const unsigned char id[] = "bench";
    SSL_CTX *ctx =
        context_new(TLS_server_method(), in_folder("server-cert.pem"), in_folder("server-key.pem"));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_id_context(ctx, id, sizeof(id));
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(ctx, 1);
    if (SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM") != 1)
        fail("no ciphers");
    return ctx;
}

/* ---- the bare server --------------------------------------------------------------------------
 */

static void serve_bare(SSL *ssl)
{
    char request[4096];
    ERR_clear_error();
    if (SSL_accept(ssl) != 1 || SSL_read(ssl, request, sizeof(request)) <= 0 ||
        SSL_write(ssl, pong, sizeof(pong) - 1) <= 0)
        return;
    while (SSL_read(ssl, request, sizeof(request)) > 0)
        continue;
    SSL_shutdown(ssl);
}

static void run_bare(const char *bin, int listener)
{
    (void)bin;
    SSL_CTX *ctx = bare_context();
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
        const int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        SSL *ssl = SSL_new(ctx);
        if (ssl && SSL_set_fd(ssl, fd) == 1)
            serve_bare(ssl);
        SSL_free(ssl);
    }
    _exit(1);
}

/* ---- one connection ---------------------------------------------------------------------------
 */

struct row {
    const char *name;
    int version;
    bool resumed;
    double target_us, bare_us; /* what may be, where the bare server takes so long */
    int64_t *rounds[SIDES];    /* nanoseconds */
};

static SSL_CTX *client;

static SSL *client_new(const struct row *row)
{
    SSL *ssl = SSL_new(client);
    if (!ssl || SSL_set_min_proto_version(ssl, row->version) != 1 ||
        SSL_set_max_proto_version(ssl, row->version) != 1 ||
        (row->resumed && session && SSL_set_session(ssl, session) != 1))
        fail("no client");
    return ssl;
}

static int connect_to(const struct side *side)
{
    const struct timeval patience = {.tv_sec = WAIT_S};
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        connect(fd, (const struct sockaddr *)&side->address, sizeof(side->address)) != 0)
        fail("cannot connect: %s", strerror(errno));
    return fd;
}

static bool is_whole(const char *answer, int n)
{
    return n > 2 && memcmp(answer + n - 2, "OK", 2) == 0 && memcmp(answer, pong, 12) == 0;
}

/* first: there is no session yet. */
static void ask(const struct row *row, const struct side *side, bool first)
{
    char answer[4096];
    int fd = connect_to(side), n = 0, got = 1;
    SSL *ssl = client_new(row);
    if (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1 ||
        SSL_write(ssl, ping, sizeof(ping) - 1) <= 0)
        fail("%s: no handshake", row->name);
    for (; got > 0 && n < (int)sizeof(answer) && !is_whole(answer, n); n += got > 0 ? got : 0)
        got = SSL_read(ssl, answer + n, (int)sizeof(answer) - n);
    if (!is_whole(answer, n))
        fail("%s: no answer: %.*s", row->name, n, answer);
    if (!first && (SSL_session_reused(ssl) == 1) != row->resumed)
        fail("%s: that is not what happened", row->name);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

/* ---- measuring --------------------------------------------------------------------------------
 */

/* What follows our end is done behind our back, so until nothing more is done. */
static int64_t ran_at_rest(const struct side *side)
{
    enum { ALIKE = 3 };
    const struct timespec pause = {.tv_nsec = 2000000};
    int64_t now = ran(side);
    for (int alike = 0; alike < ALIKE;) {
        nanosleep(&pause, NULL);
        int64_t next = ran(side);
        alike = next == now ? alike + 1 : 0;
        now = next;
    }
    return now;
}

static int64_t measure(const struct row *row, const struct side *side)
{
    SSL_SESSION_free(session);
    session = NULL;
    ask(row, side, true);
    int64_t began = ran_at_rest(side);
    for (int i = 0; i < BATCH; i++)
        ask(row, side, false);
    return (ran_at_rest(side) - began) / BATCH;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Prints a row; true when it is met. */
static bool report(struct row *row, size_t rounds, double slack)
{
    double minimum[SIDES], median[SIDES];
    size_t middle = rounds / 2;
    for (size_t side = 0; side < SIDES; side++) {
        qsort(row->rounds[side], rounds, sizeof(int64_t), compare);
        minimum[side] = (double)row->rounds[side][0] / 1000;
        median[side] = (double)row->rounds[side][middle] / 1000;
    }
    double ratio = minimum[PROXY] / minimum[BARE], most = row->target_us / row->bare_us;
    bool met = minimum[PROXY] <= row->target_us * slack || ratio <= most * slack;
    printf("| %s | %.0f | %.0f | %.0f | %.0f | %.0f | %.2f | %.2f | %s |\n", row->name,
           minimum[BARE], median[BARE], minimum[PROXY], median[PROXY], row->target_us, ratio, most,
           met ? "yes" : "NO");
    return met;
}

enum { FULL_US = 650, FULL_BARE_US = 440, RESUMED_US = 260, RESUMED_BARE_US = 172 };

static void run(struct row *rows, size_t count, size_t rounds)
{
    for (size_t i = 0; i < count; i++)
        for (size_t side = 0; side < SIDES; side++) {
            rows[i].rounds[side] = calloc(rounds, sizeof(int64_t));
            if (!rows[i].rounds[side])
                fail("out of memory");
            measure(&rows[i], &sides[side]); /* warm */
        }
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++)
            for (size_t side = 0; side < SIDES; side++)
                rows[i].rounds[side][round] = measure(&rows[i], &sides[side]);
}

static bool report_all(const char *only, size_t rounds, double slack)
{
    const struct row all[] = {
        {"TLS 1.3, full", TLS1_3_VERSION, false, FULL_US, FULL_BARE_US, {NULL}},
        {"TLS 1.3, resumed", TLS1_3_VERSION, true, RESUMED_US, RESUMED_BARE_US, {NULL}},
        {"TLS 1.2, full", TLS1_2_VERSION, false, FULL_US, FULL_BARE_US, {NULL}},
        {"TLS 1.2, resumed", TLS1_2_VERSION, true, RESUMED_US, RESUMED_BARE_US, {NULL}},
    };
    struct row rows[ARRAY_LEN(all)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (strstr(all[i].name, only))
            rows[count++] = all[i];
    run(rows, count, rounds);
    printf("| connection | bare server, min us | median us | sockwarden, min us | median us | "
           "target us | ratio of minima | target | met "
           "|\n|---|---:|---:|---:|---:|---:|---:|---:|---|\n");
    bool met = true;
    for (size_t i = 0; i < count; i++)
        met = report(&rows[i], rounds, slack) && met;
    return met;
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : ROUNDS_DEFAULT;
    size_t slack = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
    pthread_t thread;
    if (argc < 3 || rounds < 1 || rounds > ROUNDS_MAX || slack < 1) {
        fprintf(stderr, "usage: %s SOCKWARDEN MAKE-CERTS.SH [ROUNDS [SLACK [ROWS]]]\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder)) {
        perror("bench-handshake");
        return 1;
    }
    make_certificates(argv[2]);
    int daemon = listen_unix(in_folder("daemon.sock"));
    start(&sides[BARE], run_bare, NULL);
    start(&sides[PROXY], exec_proxy, argv[1]);
    if (pthread_create(&thread, NULL, run_daemon, &daemon) != 0)
        fail("no thread");
    client = client_context();
    bool met = report_all(argc > 5 ? argv[5] : "", rounds, (double)slack);
    clean_up();
    return met ? 0 : 1;
}
