/* TLS on streams: a stream on one end of a socket pair and OpenSSL's client on the other. */
#include "certificate.h"
#include "stream_helper.h"
#include "stream_tls.h"

#include <limits.h>
#include <signal.h>
#include <openssl/err.h>

enum { BUFFER = 65536, LARGE = 4 << 20, PART = 50000 };

static struct loop loop;
static struct end end;
static struct tls_context *context;
static char folder[] = "/tmp/sockwarden-tls-XXXXXX";

/* The client's side; its bytes go through the socket pair as the test wants them to. */
static struct {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    bool fin; /* the server has ended the connection below */
} client;

/* ---- certificates -------------------------------------------------------------------------- */

static void make(const char *arguments)
{
    char command[PATH_MAX + 256];
    const char *source = getenv("SRCDIR");
    snprintf(command, sizeof(command), "%s/certs-example/make-certs.sh --dir %s %s >/dev/null",
             source ? source : ".", folder, arguments);
    assert_int_equal(system(command), 0);
}

static const char *file(char dst[PATH_MAX], const char *name)
{
    snprintf(dst, PATH_MAX, "%s/%s", folder, name);
    return dst;
}

static int make_all(void **state)
{
    (void)state;
    char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
    struct err err = {.set = false};
    assert_non_null(mkdtemp(folder));
    make("ca");
    make("server localhost");
    make("client alice --ou ops");
    struct tls_files files = {.cert = file(cert, "server-cert.pem"),
                              .key = file(key, "server-key.pem"),
                              .ca = file(ca, "ca.pem"),
                              .verify = true};
    context = tls_context_new(&files, &err);
    if (!context)
        fail_msg("%s", err.text);
    client.ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(client.ctx, ca, NULL), 1);
    SSL_CTX_set_verify(client.ctx, SSL_VERIFY_PEER, NULL);
    assert_int_equal(SSL_CTX_use_certificate_file(client.ctx, file(cert, "clients/alice/cert.pem"),
                                                  SSL_FILETYPE_PEM),
                     1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(client.ctx, file(key, "clients/alice/key.pem"),
                                                 SSL_FILETYPE_PEM),
                     1);
    return 0;
}

static int drop_all(void **state)
{
    (void)state;
    char command[PATH_MAX];
    SSL_CTX_free(client.ctx);
    tls_context_unref(context);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* ---- both ends ----------------------------------------------------------------------------- */

static int open_ends(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_true(loop_open(&loop, BUFFER));
    end_open(&end, &loop);
    assert_true(stream_start_tls(&end.stream, context));
    SSL_CTX_set_max_proto_version(client.ctx, 0);
    client.ssl = NULL;
    client.fin = false;
    return 0;
}

static void start_client(void)
{
    client.ssl = SSL_new(client.ctx);
    client.in = BIO_new(BIO_s_mem());
    client.out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(client.in, -1);
    SSL_set_bio(client.ssl, client.in, client.out);
    SSL_set_connect_state(client.ssl);
}

static int close_ends(void **state)
{
    (void)state;
    SSL_free(client.ssl);
    end_close(&end);
    loop_close(&loop);
    return 0;
}

/* Moves up to step bytes to the server and all that is there to the client. */
static void carry(size_t step)
{
    char *p = NULL, bytes[8192];
    long n = BIO_get_mem_data(client.out, &p);
    ssize_t sent = n > 0 ? write(end.peer, p, (size_t)n < step ? (size_t)n : step) : 0;
    for (ssize_t left = sent; left > 0;) { /* taken off the BIO */
        int got = BIO_read(client.out, bytes,
                           left < (ssize_t)sizeof(bytes) ? (int)left : (int)sizeof(bytes));
        left -= got;
    }
    for (;;) {
        ssize_t got = read(end.peer, bytes, sizeof(bytes));
        client.fin |= got == 0;
        if (got <= 0)
            break;
        assert_int_equal(BIO_write(client.in, bytes, (int)got), got);
    }
    turn(&loop);
}

static int error_of(int result)
{
    return result > 0 ? SSL_ERROR_NONE : SSL_get_error(client.ssl, result);
}

/* Both sides until the server is done or has failed. */
static enum stream_status shake_hands(size_t step)
{
    enum stream_status status = STREAM_AGAIN;
    start_client();
    for (int rounds = 0; rounds < 20000; rounds++) {
        ERR_clear_error();
        int result = SSL_do_handshake(client.ssl);
        carry(step);
        if (status == STREAM_AGAIN)
            status = stream_handshake(&end.stream);
        if (status == STREAM_BROKEN || (status == STREAM_OK && result == 1))
            return status;
    }
    fail_msg("the handshake does not end");
    return STREAM_BROKEN;
}

static void client_write(const char *text)
{
    assert_int_equal(SSL_write(client.ssl, text, (int)strlen(text)), (int)strlen(text));
    carry(SIZE_MAX);
}

static void expect_read(const char *text)
{
    char bytes[256];
    carry(SIZE_MAX);
    ERR_clear_error();
    int n = SSL_read(client.ssl, bytes, sizeof(bytes));
    if (n != (int)strlen(text) || memcmp(bytes, text, (size_t)n) != 0)
        fail_msg("the client reads %d bytes, not \"%s\"", n, text);
}

static void expect_server_end(void)
{
    char byte;
    carry(SIZE_MAX);
    ERR_clear_error();
    assert_int_equal(error_of(SSL_read(client.ssl, &byte, 1)), SSL_ERROR_ZERO_RETURN);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void test_handshake_split(void **state)
{
    static const size_t steps[] = {1, 2, 3, 7, 100, 1000, SIZE_MAX};
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t v = 0; v < ARRAY_LEN(versions); v++)
        for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
            SSL_CTX_set_max_proto_version(client.ctx, versions[v]);
            assert_int_equal(shake_hands(steps[i]), STREAM_OK);
            assert_int_equal(SSL_version(client.ssl), versions[v]);
            client_write("hello");
            assert_int_equal(stream_fill(&end.stream), STREAM_OK);
            expect_pending(&end.stream, "hello");
            assert_int_equal(send_text(&end.stream, "world"), STREAM_OK);
            expect_read("world");
            assert_int_equal(end.stream.bytes_in, 5);
            assert_int_equal(end.stream.bytes_out, 5);
            close_ends(state);
            open_ends(state);
        }
}

/* What is idle holds no buffer, and a read that finds nothing waits for an event. */
static void test_idle(void **state)
{
    (void)state;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    assert_int_equal(stream_fill(&end.stream), STREAM_AGAIN);
    assert_null(end.stream.in);
    assert_false(end.stream.can_read);
    unsigned ready = end.ready;
    client_write("x");
    assert_int_equal(end.ready, ready + 1);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    assert_false(end.stream.can_read); /* one record came, and all of it was read */
    stream_consume(&end.stream, 1);
    assert_null(end.stream.in);
}

static void test_pieces(void **state)
{
    (void)state;
    char big[20000], bytes[sizeof(big) + 10];
    memset(big, 'b', sizeof(big));
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    struct iovec small[2] = {{.iov_base = (void *)(uintptr_t) "head ", .iov_len = 5},
                             {.iov_base = (void *)(uintptr_t) "body", .iov_len = 4}};
    assert_int_equal(stream_send(&end.stream, small, 2), STREAM_OK);
    expect_read("head body"); /* one record */
    struct iovec large[3] = {small[0], {.iov_base = big, .iov_len = sizeof(big)}, small[1]};
    assert_int_equal(stream_send(&end.stream, large, 3), STREAM_OK);
    carry(SIZE_MAX);
    size_t n = 0;
    for (int got; (got = SSL_read(client.ssl, bytes + n, (int)(sizeof(bytes) - n))) > 0;)
        n += (size_t)got;
    assert_int_equal(n, sizeof(big) + 9);
    assert_memory_equal(bytes, "head b", 6);
    assert_memory_equal(bytes + n - 5, "bbody", 5);
}

/* The client ends its side; ours goes on, and ends later. */
static void test_client_ends(void **state)
{
    (void)state;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    SSL_write(client.ssl, "bye", 3);
    SSL_shutdown(client.ssl);
    carry(SIZE_MAX);
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    expect_pending(&end.stream, "bye");
    assert_int_equal(stream_fill(&end.stream), STREAM_EOF);
    assert_int_equal(stream_fill(&end.stream), STREAM_EOF);
    expect_pending(&end.stream, "bye");
    assert_int_equal(send_text(&end.stream, "answer"), STREAM_OK);
    expect_read("answer");
    assert_false(client.fin);
    stream_end(&end.stream);
    expect_server_end();
    assert_true(client.fin);
    assert_int_equal(send_text(&end.stream, "x"), STREAM_BROKEN);
}

/* We end first; the client's bytes still come. */
static void test_server_ends(void **state)
{
    (void)state;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    stream_end(&end.stream);
    stream_end(&end.stream); /* once is enough */
    expect_server_end();
    client_write("still");
    assert_int_equal(stream_fill(&end.stream), STREAM_OK);
    expect_pending(&end.stream, "still");
    SSL_shutdown(client.ssl);
    carry(SIZE_MAX);
    assert_int_equal(stream_fill(&end.stream), STREAM_EOF);
}

/* The end follows what is queued. */
static void test_end_behind_queue(void **state)
{
    (void)state;
    static char data[LARGE];
    char bytes[16384];
    size_t got = 0;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    struct iovec piece = {.iov_base = data, .iov_len = sizeof(data)};
    assert_int_equal(stream_send(&end.stream, &piece, 1), STREAM_AGAIN);
    assert_true(stream_queued(&end.stream) > 0);
    stream_end(&end.stream);
    for (int rounds = 0; rounds < 10000; rounds++) {
        stream_flush(&end.stream);
        carry(SIZE_MAX);
        ERR_clear_error();
        int n = SSL_read(client.ssl, bytes, sizeof(bytes));
        while (n > 0) {
            got += (size_t)n;
            n = SSL_read(client.ssl, bytes, sizeof(bytes));
        }
        if (error_of(n) == SSL_ERROR_ZERO_RETURN)
            break;
        assert_int_equal(error_of(n), SSL_ERROR_WANT_READ);
    }
    assert_int_equal(got, LARGE);
    assert_true(client.fin);
    assert_int_equal(stream_queued(&end.stream), 0);
}

/* Echo of a lot, with the socket full in both directions again and again. */
static void test_both_ways(void **state)
{
    (void)state;
    static char out[LARGE], back[LARGE];
    size_t sent = 0, received = 0;
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (char)(i * 31 >> 3);
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    for (int rounds = 0; received < LARGE && rounds < 100000; rounds++) {
        size_t part = LARGE - sent < PART ? LARGE - sent : PART;
        if (part && BIO_pending(client.out) < PART) {
            size_t n = 0;
            assert_int_equal(SSL_write_ex(client.ssl, out + sent, part, &n), 1);
            sent += n;
        }
        carry(7777);
        stream_flush(&end.stream);
        enum stream_status status =
            stream_queued(&end.stream) < BUFFER ? stream_fill(&end.stream) : STREAM_FULL;
        assert_true(status != STREAM_BROKEN && status != STREAM_EOF);
        struct str pending = stream_pending(&end.stream);
        struct iovec piece = {.iov_base = (void *)(uintptr_t)pending.p, .iov_len = pending.n};
        if (pending.n && stream_queued(&end.stream) < BUFFER) {
            assert_true(stream_send(&end.stream, &piece, 1) != STREAM_BROKEN);
            stream_consume(&end.stream, pending.n);
        }
        ERR_clear_error();
        for (int n; (n = SSL_read(client.ssl, back + received, (int)(LARGE - received))) > 0;)
            received += (size_t)n;
    }
    assert_int_equal(received, LARGE);
    assert_memory_equal(out, back, LARGE);
    assert_int_equal(end.stream.bytes_in, LARGE);
    assert_int_equal(end.stream.bytes_out, LARGE);
}

/* A cut is no end: not at once, and not behind bytes. */
static void test_cut(void **state)
{
    static const char *const texts[] = {"", "half"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
        if (*texts[i])
            SSL_write(client.ssl, texts[i], (int)strlen(texts[i]));
        carry(SIZE_MAX);
        end_hang_up(&end);
        turn(&loop);
        if (*texts[i]) {
            assert_int_equal(stream_fill(&end.stream), STREAM_OK);
            expect_pending(&end.stream, texts[i]);
        }
        assert_int_equal(stream_fill(&end.stream), STREAM_BROKEN);
        assert_int_equal(stream_fill(&end.stream), STREAM_BROKEN);
        assert_false(end.stream.eof);
        close_ends(state);
        open_ends(state);
    }
}

/* A byte changed on the way, or one record missing, breaks the stream and yields nothing. */
static void test_tampered(void **state)
{
    (void)state;
    char *p = NULL;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    SSL_write(client.ssl, "attack", 6);
    assert_true(BIO_get_mem_data(client.out, &p) > 20);
    p[15] ^= 1;
    carry(SIZE_MAX);
    assert_int_equal(stream_fill(&end.stream), STREAM_BROKEN);
    assert_int_equal(stream_pending(&end.stream).n, 0);
    assert_int_equal(send_text(&end.stream, "x"), STREAM_BROKEN);
}

static void test_renegotiation(void **state)
{
    (void)state;
    SSL_CTX_set_max_proto_version(client.ctx, TLS1_2_VERSION);
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    SSL_renegotiate(client.ssl);
    SSL_do_handshake(client.ssl);
    carry(SIZE_MAX);
    assert_int_equal(stream_fill(&end.stream), STREAM_AGAIN);
    carry(SIZE_MAX);
    ERR_clear_error();
    assert_true(SSL_do_handshake(client.ssl) <= 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    assert_false(SSL_in_init(stream_ssl(&end.stream)));
}

/* Fills until there is something, or an end. */
static enum stream_status fill_on(unsigned *calls)
{
    enum stream_status status = STREAM_AGAIN;
    for (*calls = 0; status == STREAM_AGAIN; ++*calls) {
        status = stream_fill(&end.stream);
        carry(SIZE_MAX);
        assert_true(*calls < 1000);
    }
    return status;
}

static void take_new_keys(int times)
{
    for (int i = 0; i < times; i++) {
        assert_int_equal(SSL_key_update(client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(client.ssl), 1);
    }
}

static void widen(void)
{
    int buffer = 4 << 20;
    setsockopt(end.peer, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
}

/* As a client of many years may. */
static void test_new_keys(void **state)
{
    (void)state;
    unsigned calls;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    widen();
    take_new_keys(900);
    SSL_write(client.ssl, "data", 4);
    carry(SIZE_MAX);
    assert_int_equal(fill_on(&calls), STREAM_OK);
    expect_pending(&end.stream, "data");
}

/* Each costs this side as much as kilobytes of data: whoever takes them without end is cut off,
   data between them or not. */
static void test_new_keys_flood(void **state)
{
    (void)state;
    unsigned calls, rounds = 0;
    size_t data = 0;
    enum stream_status status = STREAM_OK;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    widen();
    for (; rounds < 20 && status == STREAM_OK; rounds++) {
        take_new_keys(500);
        SSL_write(client.ssl, "x", 1);
        carry(SIZE_MAX);
        status = fill_on(&calls);
        data += stream_pending(&end.stream).n;
        stream_consume(&end.stream, stream_pending(&end.stream).n);
    }
    assert_int_equal(status, STREAM_BROKEN);
    assert_in_range(rounds, 2, 6);
    assert_in_range(data, 1, 6);
}

/* Records of one byte each, as many as there is room for: the call stops, and goes on in a later
   turn. */
static void test_small_records(void **state)
{
    (void)state;
    enum { RECORDS = 30000 };
    unsigned calls = 0;
    size_t data = 0;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    widen();
    for (int i = 0; i < RECORDS; i++)
        assert_int_equal(SSL_write(client.ssl, "x", 1), 1);
    carry(SIZE_MAX);
    for (; data < RECORDS && calls < 1000; calls++) {
        if (stream_fill(&end.stream) == STREAM_OK)
            assert_in_range(stream_pending(&end.stream).n, 1, 15000);
        data += stream_pending(&end.stream).n;
        stream_consume(&end.stream, stream_pending(&end.stream).n);
        carry(SIZE_MAX);
    }
    assert_int_equal(data, RECORDS);
}

/* The alert is queued; then the stream is raw, and lingers like any other. */
static void test_refused(void **state)
{
    (void)state;
    char why[256], byte;
    SSL_CTX *none = SSL_CTX_new(TLS_client_method()), *with = client.ctx;
    client.ctx = none;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_BROKEN);
    client.ctx = with;
    assert_int_not_equal(stream_tls_explain(&end.stream, why, sizeof(why)), TLS_FAILURE_PLAIN_HTTP);
    assert_non_null(strstr(why, "no certificate"));
    assert_int_equal(stream_handshake(&end.stream), STREAM_BROKEN);
    stream_drop_tls(&end.stream);
    assert_null(stream_ssl(&end.stream));
    stream_end(&end.stream);
    carry(SIZE_MAX);
    assert_true(client.fin);
    ERR_clear_error();
    assert_int_equal(error_of(SSL_read(client.ssl, &byte, 1)), SSL_ERROR_SSL);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED);
    SSL_CTX_free(none);
}

static void test_identity(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    struct certificate *names =
        certificate_read(SSL_get0_peer_certificate(stream_ssl(&end.stream)), &why);
    assert_non_null(names);
    assert_true(str_is(names->cn, "alice"));
    assert_true(str_is(names->ou, "ops"));
    assert_true(str_is(names->subject, "CN=alice,OU=ops"));
    assert_int_equal(names->san_count, 0);
    assert_true(str_starts(names->spki, STR("sha256:")));
    assert_int_equal(names->spki.n, 7 + 64);
    free(names);
    assert_true(tls_context_not_after(context) > time(NULL));
}

static void add_entry(X509 *cert, const char *field, const char *text, int length)
{
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), field,
                                                V_ASN1_UTF8STRING, (const unsigned char *)text,
                                                length, -1, 0),
                     1);
}

/* What a CA should not sign, and may all the same. */
static void test_odd_names(void **state)
{
    (void)state;
    static const struct {
        const char *cn, *more;
        int length;
        const char *why;
    } rows[] = {
        {"alice", NULL, -1, NULL},
        {"alice\0.evil", NULL, 11, "NUL"},
        {"alice", "root", -1, "more than one"},
        {"al\nice", NULL, -1, NULL},
        {"al\xc2\x85ice", NULL, -1, NULL},
    };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *why = NULL;
        X509 *cert = X509_new();
        X509_set_pubkey(cert, key);
        add_entry(cert, "CN", rows[i].cn, rows[i].length);
        if (rows[i].more)
            add_entry(cert, "CN", rows[i].more, -1);
        struct certificate *names = certificate_read(cert, &why);
        if (rows[i].why ? names || !strstr(why, rows[i].why) : !names)
            fail_msg("row %zu: %s", i, why);
        if (names)
            assert_true(i == 0 ? str_is(names->cn, "alice") : names->cn.p == NULL);
        free(names);
        X509_free(cert);
    }
    EVP_PKEY_free(key);
}

static struct tls_context *load_again(const char *ca)
{
    char ca_path[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
    struct err err = {.set = false};
    struct tls_files files = {.cert = file(cert, "server-cert.pem"),
                              .key = file(key, "server-key.pem"),
                              .ca = file(ca_path, ca),
                              .verify = true};
    struct tls_context *loaded = tls_context_new(&files, &err);
    if (!loaded)
        fail_msg("%s", err.text);
    return loaded;
}

/* What was verified by one context is asked of others: the same files, and another CA. */
static void test_verify_again(void **state)
{
    (void)state;
    char command[PATH_MAX + 256];
    const char *source = getenv("SRCDIR");
    snprintf(command, sizeof(command),
             "%s/certs-example/make-certs.sh --dir %s/other ca >/dev/null", source ? source : ".",
             folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(shake_hands(SIZE_MAX), STREAM_OK);
    const SSL *ssl = stream_ssl(&end.stream);
    struct tls_trust trust = tls_trust_now(ssl);
    assert_true(trust.serial == tls_context_serial(context) && trust.until > time(NULL));
    struct tls_context *same = load_again("ca.pem"), *other = load_again("other/ca.pem");
    assert_true(tls_context_same(context, same));
    assert_false(tls_context_same(context, other));
    assert_null(tls_verify_again(same, ssl, &trust));
    assert_true(trust.serial == tls_context_serial(same) && trust.until > time(NULL));
    const char *why = tls_verify_again(other, ssl, &trust);
    assert_non_null(why);
    assert_non_null(strstr(why, "unknown CA"));
    assert_int_equal(trust.serial, 0);
    tls_context_forget_sessions(same);
    tls_context_unref(same);
    tls_context_unref(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_ends, close_ends)
    const struct CMUnitTest tests[] = {
        TEST(test_handshake_split), TEST(test_idle),          TEST(test_pieces),
        TEST(test_client_ends),     TEST(test_server_ends),   TEST(test_end_behind_queue),
        TEST(test_both_ways),       TEST(test_cut),           TEST(test_tampered),
        TEST(test_renegotiation),   TEST(test_refused),       TEST(test_new_keys),
        TEST(test_new_keys_flood),  TEST(test_small_records), TEST(test_identity),
        TEST(test_odd_names),       TEST(test_verify_again),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
