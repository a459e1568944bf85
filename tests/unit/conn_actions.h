/* Requests and answers that the tests of the connection machine have in common, and what client and
   daemon do with them. One world for all tests of a program. */
#ifndef CONN_ACTIONS_H
#define CONN_ACTIONS_H

#include "conn_helper.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PING     "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
#define PING_OUT "GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n"
#define LIST     "GET /v1.41/containers/json?x=1&all=1 HTTP/1.1\r\nHost: d\r\nCookie: c\r\n\r\n"
#define EVENTS   "GET /events HTTP/1.1\r\nHost: d\r\n\r\n"
#define LIST_OUT "GET /v1.41/containers/json?all=1 HTTP/1.1\r\nHost: docker\r\n\r\n"
#define OK2      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
#define PRIVILEGED                                                                      \
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n" \
    "Content-Length: 46\r\n\r\n{\"Image\":\"a\",\"HostConfig\":{\"Privileged\":true}}"
#define CREATE_BODY "{\"Image\":\"a\"}"
#define CREATE                                                                          \
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n" \
    "Content-Length: 13\r\n\r\n" CREATE_BODY
#define CREATE_CHUNKED                                                                  \
    "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n" \
    "Transfer-Encoding: chunked\r\n\r\n6\r\n{\"Imag\r\n7\r\ne\":\"a\"}\r\n0\r\n\r\n"
#define CREATE_OUT                                                                           \
    "POST /containers/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n" \
    "Content-Length: 13\r\n\r\n" CREATE_BODY
#define ATTACH                                                                          \
    "POST /containers/a/attach?stream=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n" \
    "Upgrade: tcp\r\n\r\n"
#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LOOK "GET /containers/a/json HTTP/1.1\r\nHost: docker\r\nUser-Agent: sockwarden\r\n\r\n"
#define FOUND                                               \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" \
    "49\r\n{\"Id\":\"" ID64 "\",\r\n1c\r\n\"Config\":{},\"HostConfig\":{}}\r\n0\r\n\r\n"
#define ATTACH_OUT                                                           \
    "POST /containers/" ID64 "/attach?stream=1 HTTP/1.1\r\nHost: docker\r\n" \
    "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
#define SWITCH "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

static struct world world;

static inline int open_world(void **state)
{
    (void)state;
    world_open(&world, "default", NULL);
    world_connect(&world);
    return 0;
}

static inline int open_all(void **state)
{
    (void)state;
    world_open(&world, "all", NULL);
    world_connect(&world);
    return 0;
}

static inline int close_world(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static inline void client_sends(const char *text)
{
    assert_true(actor_write(&world.client, str_of(text)));
    world_settle(&world);
}

static inline void daemon_sends(const char *text)
{
    assert_true(actor_write(&world.daemon, str_of(text)));
    world_settle(&world);
}

#define daemon_got(text) assert_string_equal(world.daemon.in, text)
#define client_got(text) assert_string_equal(world.client.in, text)

static inline void client_got_status(const char *status)
{
    if (strncmp(world.client.in, status, strlen(status)) != 0)
        fail_msg("the client got \"%s\", not %s", world.client.in, status);
    assert_non_null(strstr(world.client.in, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(world.client.in, "{\"message\":\"sockwarden"));
}

/* Asks on the connection that is open, and reads the answer. */
static inline void ping_works(void)
{
    actor_forget(&world.client);
    world.daemon.n = 0;
    client_sends(PING);
    daemon_got(PING_OUT);
    daemon_sends(OK2);
    client_got(OK2);
}

/* Asks to attach; the daemon is asked for the container first, over the same connection. */
static inline void attach_begins(const char *text)
{
    unsigned accepted = world.accepted;
    client_sends(text);
    daemon_got(LOOK);
    world.daemon.n = 0;
    daemon_sends(FOUND);
    daemon_got(ATTACH_OUT);
    assert_true(world.accepted <= accepted + 1);
}

static inline size_t audit_lines(const char *record)
{
    char text[64 << 10], wanted[64];
    FILE *file = fopen(world.audit_path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    snprintf(wanted, sizeof(wanted), "\"record\":\"%s\"", record);
    size_t count = 0;
    for (const char *p = text; (p = strstr(p, wanted)); p++)
        count++;
    return count;
}

#endif
