/* The registry client of the helper process: questions become HTTPS requests by libcurl, with
   tokens, redirects and limits. It knows nothing of sockets to the proxy, and verifies no
   signature. */
#ifndef PROXY_REGISTRY_FETCH_H
#define PROXY_REGISTRY_FETCH_H

#include "registry_wire.h"

#include <curl/curl.h>

struct registry_fetcher;

/* An answer; its texts and body live until the call returns. */
struct registry_answer {
    struct registry_head head;
    struct str body;
};

/* Who asks: line tells the asker's socket, and answers come by on_answer. The setup is borrowed.
   NULL: out of memory, or libcurl cannot. It lives as long as the process. */
struct registry_fetcher *registry_fetcher_new(
    const struct registry_setup *setup,
    void (*on_answer)(void *arg, unsigned line, const struct registry_answer *answer), void *arg);
/* Copies the question. Its answer may come before this returns. */
void registry_fetcher_ask(struct registry_fetcher *fetcher, unsigned line,
                          const struct registry_ask *ask);
void registry_fetcher_cancel(struct registry_fetcher *fetcher, unsigned line, uint64_t id);
/* Nothing of this line is wanted any more. */
void registry_fetcher_drop(struct registry_fetcher *fetcher, unsigned line);
bool registry_fetcher_busy(const struct registry_fetcher *fetcher);
/* Waits for the network or one of the descriptors, for at most some milliseconds, and goes on with
   what it can. False: libcurl has failed. */
bool registry_fetcher_turn(struct registry_fetcher *fetcher, struct curl_waitfd *more,
                           unsigned count, int ms);

#endif
