/* TLS on a stream; see stream_tls.h. OpenSSL sees a BIO that reads the socket and that takes
   whatever is written. */
#include "stream_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    RECORD_MAX = 16384,           /* plaintext bytes of one record; a buffer holds more */
    OWED_MAX = 512 << 10,         /* wire bytes queued above which reading may add no alerts */
    READ_AHEAD = 2 * 16384 + 512, /* bytes of one recv() */
    TURN_MAX = 256 << 10,         /* wire bytes that a call may read, whatever they make */
    UPDATES_MAX = 1000,           /* new keys that a peer may take: each is work as for kilobytes of
                                     data, and needed every 2^24 records (RFC 8446, 5.5) */
};

struct stream_tls {
    SSL *ssl;
    struct tls_context *context;
    struct buffer *gather; /* what OpenSSL has written in this call; NULL between calls */
    size_t read;           /* wire bytes that this call has read */
    unsigned updates;      /* new keys that the peer has taken */
    bool reading;          /* this call is one that reads */
    bool heard;            /* the peer has sent something */
    bool fin;              /* the peer's end has come, of the connection below */
    bool failed;           /* OpenSSL must not be asked again */
    struct tls_trust trust;
};

/* ---- the BIO ------------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *dst, int want)
{
    struct stream *stream = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (stream->tls->fin || want <= 0)
        return 0;
    if (stream->tls->updates > UPDATES_MAX)
        return -1; /* for good */
    if (stream->dry || stream->tls->read > TURN_MAX) {
        BIO_set_retry_read(bio);
        return -1;
    }
    ssize_t n;
    do
        n = recv(stream->fd, dst, (size_t)want, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        stream->tls->heard = true;
        stream->tls->read += (size_t)n;
        /* As in stream_fill(): a short read has emptied the socket. In the handshake a reset may
           have come with it, of which nobody else would hear. */
        stream->dry = n < want && !stream->closing_hint && SSL_is_init_finished(stream->tls->ssl);
        return (int)n;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        stream->dry = true;
        BIO_set_retry_read(bio);
        return -1;
    }
    stream->error = n < 0 ? errno : 0;
    stream->tls->fin = true;
    return 0;
}

/* Sends what is gathered, or queues it. */
static void send_gathered(struct stream *stream)
{
    struct buffer *gather = stream->tls->gather;
    if (!gather || gather->end == 0)
        return;
    struct iovec piece = {.iov_base = gather->data, .iov_len = gather->end};
    gather->end = 0;
    stream_send_raw(stream, &piece, 1);
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct stream *stream = BIO_get_data(bio);
    struct stream_tls *tls = stream->tls;
    BIO_clear_retry_flags(bio);
    if (stream->lost_out || stream->end_wanted)
        return n; /* nobody will read it */
    if (tls->reading && stream_queued(stream) > OWED_MAX)
        return -1;
    if (!tls->gather && !(tls->gather = loop_buffer_take(stream->loop)))
        return -1;
    for (size_t left = (size_t)n; left > 0;) {
        struct buffer *gather = tls->gather;
        size_t room = gather->cap - gather->end;
        size_t part = left < room ? left : room;
        memcpy(gather->data + gather->end, p, part);
        gather->end += part;
        p += part;
        left -= part;
        if (gather->end == gather->cap)
            send_gathered(stream);
    }
    return n;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    const struct stream *stream = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF)
        return stream->tls->fin;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (method &&
        (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
         BIO_meth_set_ctrl(method, bio_control) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
}

/* Of each message that OpenSSL reads or writes. */
static void count_updates(int written, int version, int type, const void *bytes, size_t length,
                          SSL *ssl, void *arg)
{
    struct stream_tls *tls = arg;
    (void)version;
    (void)ssl;
    if (!written && type == SSL3_RT_HANDSHAKE && length > 0 &&
        *(const unsigned char *)bytes == SSL3_MT_KEY_UPDATE)
        tls->updates++;
}

/* ---- life ---------------------------------------------------------------------------------- */

bool stream_start_tls(struct stream *stream, struct tls_context *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    struct stream_tls *tls = calloc(1, sizeof(*tls));
    SSL *ssl = tls_connection_new(context);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!tls || !ssl || !bio) {
        BIO_free(bio);
        SSL_free(ssl);
        free(tls);
        return false;
    }
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_msg_callback(ssl, count_updates);
    SSL_set_msg_callback_arg(ssl, tls);
    tls->ssl = ssl;
    tls->context = tls_context_ref(context);
    stream->tls = tls;
    return true;
}

void stream_tls_free(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    if (!tls)
        return;
    if (!tls->failed) /* else the session goes with a connection that was only cut */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    tls_context_unref(tls->context);
    free(tls);
    stream->tls = NULL;
}

void stream_drop_tls(struct stream *stream)
{
    stream_tls_free(stream);
    stream->can_read = !stream->lost_in && !stream->eof;
}

struct tls_trust *stream_tls_trust(struct stream *stream)
{
    return &stream->tls->trust;
}

SSL *stream_ssl(const struct stream *stream)
{
    return stream->tls ? stream->tls->ssl : NULL;
}

enum tls_failure stream_tls_explain(const struct stream *stream, char *dst, size_t cap)
{
    return tls_explain(stream->tls->ssl, stream->tls->fin, dst, cap);
}

bool stream_tls_silent(const struct stream *stream)
{
    return stream->tls->fin && !stream->tls->heard;
}

/* ---- calls of OpenSSL ---------------------------------------------------------------------- */

/* Each call stands between these: an old error in the thread's queue would be taken for its own,
   and what it wrote is to be sent. */
static void begin(struct stream_tls *tls, bool reading)
{
    ERR_clear_error();
    tls->reading = reading;
}

/* OpenSSL wants more. Where it has stopped with some there (records that hold nothing for us, which
   a client may send without end), others get their turn first. */
static void wait_to_read(struct stream *stream)
{
    stream->can_read = false;
    if (!stream->dry)
        event_active(&stream->event, EV_READ, 0);
}

static void finish(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    send_gathered(stream);
    loop_buffer_give(stream->loop, tls->gather);
    tls->gather = NULL;
}

enum stream_status stream_handshake(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    if (tls->failed || stream->lost_in)
        return STREAM_BROKEN;
    tls->read = 0;
    begin(tls, true);
    int result = SSL_accept(tls->ssl);
    int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, result);
    /* All that is left to send is a session for the next time, which nobody waits for: it may share
       a packet with the first answer. */
    stream->more_soon = result == 1 && SSL_version(tls->ssl) == TLS1_3_VERSION;
    finish(stream);
    stream->more_soon = false;
    if (stream->lost_out) { /* the peer would wait for what could not be sent */
        tls->failed = true;
        return STREAM_BROKEN;
    }
    if (result == 1) {
        SSL_set_default_read_buffer_len(tls->ssl, READ_AHEAD); /* not for who only begins */
        stream->can_read = true; /* what came with its end waits inside OpenSSL */
        tls->failed = !tls_still_valid(tls->ssl);
        return tls->failed ? STREAM_BROKEN : STREAM_OK;
    }
    if (error == SSL_ERROR_WANT_READ) {
        wait_to_read(stream);
        return STREAM_AGAIN;
    }
    tls->failed = true;
    return STREAM_BROKEN;
}

/* Nothing more was read, for this reason. close_notify is met before the end of the connection
   below: where that has been read, somebody has cut it. */
static enum stream_status read_stops(struct stream *stream, int error, bool any)
{
    bool ended = error == SSL_ERROR_ZERO_RETURN;
    if (error == SSL_ERROR_WANT_READ)
        wait_to_read(stream);
    else if (!ended)
        stream->tls->failed = true;
    if (any) /* an end, or an error, is met again by the next call */
        return STREAM_OK;
    stream_consume(stream, 0);
    if (error == SSL_ERROR_WANT_READ)
        return STREAM_AGAIN;
    if (!ended || stream->tls->fin)
        return stream_lose_in(stream, stream->error ? stream->error : EPROTO);
    stream->eof = true;
    stream->can_read = false;
    return STREAM_EOF;
}

enum stream_status stream_tls_fill(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    struct buffer *in = stream->in;
    if (tls->failed)
        return read_stops(stream, SSL_ERROR_SSL, false);
    tls->read = 0;
    for (bool any = false; in->end < in->cap; any = true) {
        size_t n = 0;
        begin(tls, true);
        int result = SSL_read_ex(tls->ssl, in->data + in->end, in->cap - in->end, &n);
        int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, result);
        finish(stream);
        if (result != 1)
            return read_stops(stream, error, any);
        in->end += n;
        stream->bytes_in += n;
        if (stream->dry && !SSL_has_pending(tls->ssl)) {
            stream->can_read = false;
            return STREAM_OK;
        }
    }
    return STREAM_OK;
}

static bool encrypt(struct stream_tls *tls, const char *p, size_t n)
{
    while (n > 0) {
        size_t written = 0;
        if (SSL_write_ex(tls->ssl, p, n, &written) != 1)
            return false;
        p += written;
        n -= written;
    }
    return true;
}

/* Small pieces share a record. */
static bool encrypt_pieces(struct stream *stream, const struct iovec *pieces, int count)
{
    struct buffer *joined = count > 1 ? loop_buffer_take(stream->loop) : NULL;
    bool ok = true;
    for (int i = 0; i < count && ok; i++) {
        if (joined && pieces[i].iov_len <= RECORD_MAX - joined->end) {
            memcpy(joined->data + joined->end, pieces[i].iov_base, pieces[i].iov_len);
            joined->end += pieces[i].iov_len;
            continue;
        }
        ok = (!joined || encrypt(stream->tls, joined->data, joined->end)) &&
             encrypt(stream->tls, pieces[i].iov_base, pieces[i].iov_len);
        if (joined)
            joined->end = 0;
    }
    ok = ok && (!joined || encrypt(stream->tls, joined->data, joined->end));
    loop_buffer_give(stream->loop, joined);
    return ok;
}

enum stream_status stream_tls_send(struct stream *stream, const struct iovec *pieces, int count)
{
    struct stream_tls *tls = stream->tls;
    bool ok = !tls->failed && SSL_is_init_finished(tls->ssl) == 1;
    if (ok) {
        begin(tls, false);
        ok = encrypt_pieces(stream, pieces, count);
        finish(stream);
    }
    if (stream->lost_out)
        return STREAM_BROKEN;
    if (!ok)
        return stream_lose_out(stream, EPROTO);
    return stream->out ? STREAM_AGAIN : STREAM_OK;
}

void stream_tls_end(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    if (tls->failed || stream->lost_out || SSL_is_init_finished(tls->ssl) != 1)
        return;
    begin(tls, false);
    SSL_shutdown(tls->ssl);
    finish(stream);
}
