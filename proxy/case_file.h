/* A file of policy cases as a user writes it by hand: who asks what, and what must come of it. */
#ifndef PROXY_CASE_FILE_H
#define PROXY_CASE_FILE_H

#include "document.h"
#include "question.h"

enum case_key {
    CASE_NAME,
    CASE_DESCRIPTION,
    CASE_CLIENT,
    CASE_ROLE,
    CASE_REQUEST,
    CASE_HEADERS,
    CASE_BODY,
    CASE_BODY_TEXT,
    CASE_RAW,
    CASE_FACTS,
    CASE_EXPECT,
    CASE_STATUS,
    CASE_FIELD,
    CASE_RULE,
    CASE_OPERATION,
    CASE_EXPECT_ROLE,
    CASE_EXPECT_CLIENT,
    CASE_REDACTED,
    CASE_KEYS
};

/* Checked: what is given has the right kind, and all of it makes sense together. */
struct policy_case {
    const struct json_node *given[CASE_KEYS]; /* NULL: absent */
    struct client_role by;                    /* who asks, and the role that decides */
    const struct known *known;                /* facts, its own before those of the file */
    int line;                                 /* of the file, where the case begins */
};

struct case_file {
    struct policy *policy;
    struct document document;
    const struct known *known;   /* facts of the whole file; NULL: none */
    struct fact_source *sources; /* files of facts that are named; in the arena */
    struct policy_case *cases;
    size_t count;
    struct arena arena;
};

/* Reads a file and its policy. False: it has errors, which went to standard error as
   FILE:LINE:COLUMN: sentence. case_file_free() in either case. */
bool case_file_read(const char *path, struct case_file *out);
void case_file_free(struct case_file *file);

/* A text of the case; p NULL when it is not given. */
struct str case_text(const struct policy_case *one, enum case_key key);
/* The request of the case as bytes on the wire. The caller frees them; NULL: out of memory. */
char *case_bytes(const struct case_file *file, const struct policy_case *one, size_t *length);

#endif
