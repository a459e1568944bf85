/* Datagrams to syslog and the journal; see audit_socket.h. */
#include "audit_socket.h"

#include "json.h"
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* Receivers cut what is longer: rsyslog at 8 KiB unless told otherwise. */
    SYSLOG_PART_MAX = 7 << 10,
    HEAD_ROOM = 512,
    FIELD_MAX_BYTES = 8 << 10,
    DATAGRAM_MAX = AUDIT_LINE_MAX * 2,
    SEND_ROOM = 1 << 20, /* of the socket; the kernel gives what it may */
    AUTHPRIV = 10,       /* RFC 5424, 6.2.1 */
};

enum severity { SEVERITY_ERROR = 3, SEVERITY_WARNING = 4, SEVERITY_NOTICE = 5, SEVERITY_INFO = 6 };

/* ---- where --------------------------------------------------------------------------------- */

static const struct {
    const char *name, *path;
} protocols[] = {
    [AUDIT_SYSLOG] = {"syslog", "/dev/log"},
    [AUDIT_JOURNAL] = {"journald", "/run/systemd/journal/socket"},
};

bool audit_socket_named(const char *target, enum audit_protocol *protocol, const char **path)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        size_t n = strlen(protocols[i].name);
        if (strncmp(target, protocols[i].name, n) != 0 || (target[n] != '\0' && target[n] != ':'))
            continue;
        *protocol = (enum audit_protocol)i;
        *path = target[n] ? target + n + 1 : protocols[i].path;
        return true;
    }
    return false;
}

bool audit_socket_connect(const struct audit_socket *socket, int fd)
{
    int status;
    do
        status = connect(fd, (const struct sockaddr *)(const void *)&socket->address,
                         sizeof(socket->address));
    while (status != 0 && errno == EINTR);
    return status == 0;
}

/* The name of this host as RFC 5424 wants it: visible ASCII. */
static void read_host(char dst[65])
{
    if (gethostname(dst, 64) != 0)
        dst[0] = '\0';
    dst[64] = '\0';
    for (char *p = dst; *p; p++)
        if (*p <= ' ' || *p > '~')
            *p = '_';
    if (!dst[0])
        memcpy(dst, "-", 2);
}

int audit_socket_open(struct audit_socket *audit, enum audit_protocol protocol, const char *path,
                      struct err *err)
{
    const char *name = protocols[protocol].name;
    int room = SEND_ROOM;
    *audit = (struct audit_socket){.protocol = protocol, .address.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(audit->address.sun_path) || path[0] != '/')
        return err_set(err, 0, 0, "--audit-log %s: %s is no path of a socket", name, path), -1;
    memcpy(audit->address.sun_path, path, strlen(path) + 1);
    read_host(audit->host);
    audit->text = malloc(DATAGRAM_MAX);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    if (fd >= 0 && audit->text && audit_socket_connect(audit, fd))
        return fd;
    int error = errno;
    if (fd >= 0)
        close(fd);
    audit_socket_free(audit);
    err_set(err, 0, 0, "cannot open the audit log %s at %s: %s%s", name, path, strerror(error),
            error == ENOENT || error == ECONNREFUSED
                ? "; is it running? In a container: mount the socket, and name it by "
                  "syslog:/path or journald:/path"
            : error == EPROTOTYPE ? "; it takes streams, and datagrams are what is sent"
                                  : "");
    return -1;
}

void audit_socket_free(struct audit_socket *audit)
{
    free(audit->text);
    arena_free(&audit->arena);
    audit->text = NULL;
}

/* ---- one datagram -------------------------------------------------------------------------- */

static bool is_gone(int error)
{
    return error == ECONNREFUSED || error == ENOTCONN || error == ECONNRESET || error == EPIPE ||
           error == EDESTADDRREQ || error == ENOENT;
}

/* The queue of a receiver is short (net.unix.max_dgram_qlen, 10 by default), so it is given a
   moment to catch up. */
static bool wait_for_room(int fd, uint64_t until_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    uint64_t now = clock_now_ms();
    int ready = now < until_ms ? poll(&poll_fd, 1, (int)(until_ms - now)) : 0;
    if (ready > 0 || (ready < 0 && errno == EINTR))
        return true;
    errno = EAGAIN;
    return false;
}

static bool send_one(const struct audit_socket *audit, int fd, struct str bytes, uint64_t until_ms)
{
    for (bool again = true;;) {
        if (send(fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return true;
        if (errno == EINTR)
            continue;
        if (is_gone(errno) && again) {
            again = false;
            if (!audit_socket_connect(audit, fd))
                return false;
        } else if (errno != EAGAIN || !wait_for_room(fd, until_ms)) {
            return false;
        }
    }
}

/* ---- what a line says ---------------------------------------------------------------------- */

/* Of a line of our own making; members that are absent are empty. */
struct said {
    struct json doc;
    bool read;
};

static void read_line(struct audit_socket *audit, struct str line, struct said *said)
{
    arena_reset(&audit->arena);
    said->read = json_scan(line, &audit->arena, &said->doc, NULL);
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        unsigned char next = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0))
            return true;
    }
    return false;
}

/* A member of the line, or one of a member's; with control characters as it is written in JSON. */
static struct str value_of(const struct said *said, const char *name, const char *inner)
{
    const struct json_node *node =
        said->read ? json_get(&said->doc, said->doc.nodes, str_of(name)) : NULL;
    if (node && inner)
        node = json_get(&said->doc, node, str_of(inner));
    if (!node)
        return (struct str){NULL, 0};
    if (node->kind != JSON_STRING)
        return json_raw(&said->doc, node);
    if (!has_control(node->text))
        return node->text;
    struct str raw = json_raw(&said->doc, node);
    return str_skip(str_head(raw, raw.n - 1), 1);
}

static enum severity severity_of(const struct said *said)
{
    struct str record = value_of(said, "record", NULL);
    if (str_is(record, "lost") || str_is(record, "torn"))
        return SEVERITY_ERROR;
    if (!said->read || str_is(value_of(said, "decision", NULL), "deny"))
        return SEVERITY_WARNING;
    return value_of(said, "would_deny", NULL).n ? SEVERITY_NOTICE : SEVERITY_INFO;
}

/* ---- syslog -------------------------------------------------------------------------------- */

/* The head of RFC 5424; no structured data, since the message is JSON. */
static size_t put_head(const struct audit_socket *audit, const struct said *said, char *dst,
                       size_t cap)
{
    struct str when = str_head(value_of(said, "time", NULL), 40);
    struct str record = str_head(value_of(said, "record", NULL), 32);
    int n = snprintf(dst, cap, "<%d>1 %.*s %s sockwarden %ld %.*s - ",
                     AUTHPRIV * 8 + (int)severity_of(said), STR_ARG(when.n ? when : STR("-")),
                     audit->host, (long)getpid(), STR_ARG(record.n ? record : STR("-")));
    return (size_t)n < cap ? (size_t)n : cap - 1;
}

/* Bytes of a part: no character of UTF-8 is cut. */
static size_t part_length(struct str line)
{
    size_t n = line.n < SYSLOG_PART_MAX ? line.n : SYSLOG_PART_MAX;
    while (n < line.n && n > 1 && ((unsigned char)line.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static size_t count_parts(struct str line)
{
    size_t count = 0;
    for (; line.n > 0; count++)
        line = str_skip(line, part_length(line));
    return count;
}

static bool send_syslog(struct audit_socket *audit, int fd, struct str line, uint64_t until_ms)
{
    struct said said;
    read_line(audit, line, &said);
    size_t head = put_head(audit, &said, audit->text, HEAD_ROOM);
    size_t parts = count_parts(line);
    for (size_t part = 1; line.n > 0; part++) {
        size_t n = part_length(line), at = head;
        if (parts > 1)
            at += (size_t)snprintf(audit->text + at, HEAD_ROOM, "part %zu/%zu ", part, parts);
        memcpy(audit->text + at, line.p, n);
        if (!send_one(audit, fd, (struct str){audit->text, at + n}, until_ms))
            return false;
        line = str_skip(line, n);
    }
    return true;
}

/* ---- the journal --------------------------------------------------------------------------- */

static const struct {
    const char *field, *name, *inner;
} journal_fields[] = {
    {"SOCKWARDEN_RECORD", "record", NULL},
    {"SOCKWARDEN_ID", "id", NULL},
    {"SOCKWARDEN_CLIENT", "client", NULL},
    {"SOCKWARDEN_ROLE", "role", NULL},
    {"SOCKWARDEN_LISTENER", "listener", NULL},
    {"SOCKWARDEN_PEER_ADDRESS", "peer", "address"},
    {"SOCKWARDEN_PEER_UID", "peer", "uid"},
    {"SOCKWARDEN_PEER_GID", "peer", "gid"},
    {"SOCKWARDEN_PEER_PID", "peer", "pid"},
    {"SOCKWARDEN_PEER_CERT_SUBJECT", "peer", "cert_subject"},
    {"SOCKWARDEN_PEER_CONTAINER", "peer", "container"},
    {"SOCKWARDEN_METHOD", "method", NULL},
    {"SOCKWARDEN_PATH", "path", NULL},
    {"SOCKWARDEN_OPERATION", "operation", NULL},
    {"SOCKWARDEN_OBJECT", "object", NULL},
    {"SOCKWARDEN_DECISION", "decision", NULL},
    {"SOCKWARDEN_REASON", "reason", NULL},
    {"SOCKWARDEN_FIELD", "field", NULL},
    {"SOCKWARDEN_RULE", "rule", NULL},
    {"SOCKWARDEN_WOULD_DENY", "would_deny", NULL},
    {"SOCKWARDEN_STATUS", "status", NULL},
    {"SOCKWARDEN_IMAGE", "image", NULL},
    {"SOCKWARDEN_POLICY", "policy", NULL},
};

/* NAME=value and a line end: values hold no line end, so the short form of the protocol will do
   (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). */
static void put_field(struct json_out *out, const char *name, struct str value)
{
    json_out_raw(out, str_of(name));
    json_out_raw(out, STR("="));
    json_out_raw(out, value);
    json_out_raw(out, STR("\n"));
}

static bool send_journal(struct audit_socket *audit, int fd, struct str line, uint64_t until_ms)
{
    struct said said;
    char number[16];
    struct json_out out = {.p = audit->text, .cap = DATAGRAM_MAX};
    read_line(audit, line, &said);
    put_field(&out, "MESSAGE", line);
    snprintf(number, sizeof(number), "%d", (int)severity_of(&said));
    put_field(&out, "PRIORITY", str_of(number));
    snprintf(number, sizeof(number), "%d", AUTHPRIV);
    put_field(&out, "SYSLOG_FACILITY", str_of(number));
    put_field(&out, "SYSLOG_IDENTIFIER", STR("sockwarden"));
    for (size_t i = 0; i < ARRAY_LEN(journal_fields); i++) {
        struct str value = value_of(&said, journal_fields[i].name, journal_fields[i].inner);
        if (value.n)
            put_field(&out, journal_fields[i].field, str_head(value, FIELD_MAX_BYTES));
    }
    if (out.len > out.cap) {
        errno = EMSGSIZE;
        return false;
    }
    return send_one(audit, fd, (struct str){out.p, out.len}, until_ms);
}

/* ---- lines --------------------------------------------------------------------------------- */

bool audit_socket_send(struct audit_socket *audit, int fd, struct str lines, int patience_ms,
                       size_t *done)
{
    uint64_t until_ms = clock_now_ms() + (uint64_t)patience_ms;
    bool ok = true;
    *done = 0;
    while (*done < lines.n && ok) {
        struct str rest = str_skip(lines, *done);
        struct str line = str_head(rest, str_find(rest, '\n'));
        ok = audit->protocol == AUDIT_SYSLOG ? send_syslog(audit, fd, line, until_ms)
                                             : send_journal(audit, fd, line, until_ms);
        *done += ok ? line.n + 1 : 0;
    }
    return ok;
}
