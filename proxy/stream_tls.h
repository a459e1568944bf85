/* The TLS half of a stream: records between the socket and the stream's buffers. What is written
   is encrypted at once and queued as it goes over the wire, so only reading can ever wait. */
#ifndef PROXY_STREAM_TLS_H
#define PROXY_STREAM_TLS_H

#include "stream.h"
#include "tls.h"

/* Speaks TLS as a server from now on; right after stream_open(). The stream must not move any more.
   False when out of memory. */
bool stream_start_tls(struct stream *stream, struct tls_context *context);
/* STREAM_OK: done, and the client is as verified as the context demands. STREAM_BROKEN: failed;
   stream_tls_explain() says why, and an alert is queued where the protocol has one. */
enum stream_status stream_handshake(struct stream *stream);
enum tls_failure stream_tls_explain(const struct stream *stream, char *dst, size_t cap);
/* Has the peer closed without having sent a byte? */
bool stream_tls_silent(const struct stream *stream);
/* After a failed handshake: from now on bytes come and go raw. */
void stream_drop_tls(struct stream *stream);
/* NULL when plain. Borrowed. */
SSL *stream_ssl(const struct stream *stream);
/* What is kept of the trust in the peer's certificate; of a TLS stream only. Borrowed. */
struct tls_trust *stream_tls_trust(struct stream *stream);

/* ---- for stream.c -------------------------------------------------------------------------- */

enum stream_status stream_tls_fill(struct stream *stream);
enum stream_status stream_tls_send(struct stream *stream, const struct iovec *pieces, int count);
/* Queues close_notify. */
void stream_tls_end(struct stream *stream);
void stream_tls_free(struct stream *stream);

#endif
