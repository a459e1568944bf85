/* The operator's log; see log.h. */
#include "log.h"

#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum log_level max_level = LOG_LEVEL_INFO;
static enum log_format log_format = LOG_FORMAT_TEXT;

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_setup(enum log_level level, enum log_format format)
{
    max_level = level;
    log_format = format;
}

bool log_level_parse(struct str name, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (str_is(name, level_names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

void time_text(char out[TIME_TEXT_LEN + 1])
{
    /* The calendar part changes once a second. */
    static _Thread_local time_t cached_second;
    static _Thread_local char cached[20];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != cached_second || cached[0] == '\0') {
        struct tm tm;
        gmtime_r(&now.tv_sec, &tm);
        strftime(cached, sizeof(cached), "%Y-%m-%dT%H:%M:%S", &tm);
        cached_second = now.tv_sec;
    }
    memcpy(out, cached, 19);
    long micros = now.tv_nsec / 1000;
    out[19] = '.';
    for (int i = 25; i >= 20; i--) {
        out[i] = (char)('0' + micros % 10);
        micros /= 10;
    }
    out[26] = 'Z';
    out[27] = '\0';
}

static size_t format_json(char *line, size_t cap, enum log_level level, struct str text)
{
    char when[TIME_TEXT_LEN + 1];
    time_text(when);
    struct json_out out = {.p = line, .cap = cap - 1};
    json_out_open(&out, '{');
    json_out_member(&out, "time", str_of(when));
    json_out_member(&out, "level", str_of(level_names[level]));
    json_out_member(&out, "msg", text);
    json_out_close(&out, '}');
    size_t length = out.len < cap - 1 ? out.len : cap - 1;
    line[length] = '\n';
    return length + 1;
}

enum { TEXT_MAX = 1500 };

static size_t cut_to(int n, size_t cap)
{
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

static void write_line(enum log_level level, const char *text, size_t length)
{
    char line[4096];
    if (log_format == LOG_FORMAT_JSON) {
        length = format_json(line, sizeof(line), level, (struct str){text, length});
    } else {
        const char *mark = level == LOG_LEVEL_ERROR  ? "error: "
                           : level == LOG_LEVEL_WARN ? "warning: "
                                                     : "";
        length =
            cut_to(snprintf(line, sizeof(line), "sockwarden: %s%s\n", mark, text), sizeof(line));
    }
    /* Nobody to tell when standard error is gone. */
    ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored;
}

void log_at(enum log_level level, const char *format, ...)
{
    if (level > max_level)
        return;
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    write_line(level, text, cut_to(n, sizeof(text)));
}

/* Is it this call's turn to say something? One of several threads wins. */
static bool may_say(struct log_limit *limit)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    uint64_t now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
    uint64_t until = atomic_load(&limit->until_ms);
    return (until == 0 || now >= until) &&
           atomic_compare_exchange_strong(&limit->until_ms, &until, now + LOG_SELDOM_MS);
}

void log_seldom(struct log_limit *limit, enum log_level level, const char *format, ...)
{
    if (level > max_level)
        return;
    if (!may_say(limit)) {
        atomic_fetch_add(&limit->untold, 1);
        return;
    }
    unsigned untold = atomic_exchange(&limit->untold, 0);
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    size_t n = cut_to(vsnprintf(text, sizeof(text), format, args), sizeof(text));
    va_end(args);
    if (untold > 0)
        n += cut_to(snprintf(text + n, sizeof(text) - n, " (and %u times more before)", untold),
                    sizeof(text) - n);
    write_line(level, text, n);
}
