/* The operator's log on standard error: one line a call, one write a line, from any thread. */
#ifndef PROXY_LOG_H
#define PROXY_LOG_H

#include "base.h"

#include <stdatomic.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Call once before threads start. */
void log_setup(enum log_level level, enum log_format format);
/* False when the name is none of error, warn, info, debug. */
bool log_level_parse(struct str name, enum log_level *out);

/* Bytes of clients must have been escaped by the caller (text_shorten). */
void log_at(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Of one kind of line that may come with every request. Zero at first; any thread may use it. */
struct log_limit {
    _Atomic uint64_t until_ms; /* monotonic: until then nothing more is said; 0: nothing was */
    atomic_uint untold;        /* lines since then that were not said */
};

enum { LOG_SELDOM_MS = 10000 };

/* As log_at(), but once in LOG_SELDOM_MS; the line then tells how many were left out before it. */
void log_seldom(struct log_limit *limit, enum log_level level, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* RFC 3339 in UTC with microseconds, e.g. "2026-01-31T12:00:00.000001Z"; always 27 characters. */
enum { TIME_TEXT_LEN = 27 };
void time_text(char out[TIME_TEXT_LEN + 1]);

#endif
