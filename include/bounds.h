/* Every size that bounds something, with its unit and reason. */
#ifndef SOCKWARDEN_BOUNDS_H
#define SOCKWARDEN_BOUNDS_H

enum {
    /* JSON */
    JSON_DEPTH_MAX = 64,       /* levels; the Engine API needs 8, dockerd takes 10,000 */
    JSON_VALUES_MAX = 1 << 16, /* values of one document: 4 MiB of nodes; a create has hundreds */
    POLICY_FILE_MAX = 4 << 20, /* bytes of a policy file: far above what a person writes */
    POLICY_ERRORS_MAX = 100,   /* errors shown in one run; then the loader stops counting */
    POLICY_EXTENDS_DEPTH_MAX = 32, /* roles in a chain of extends */
    POLICY_ROLES_MAX = 1000,       /* roles of a file: each costs some 10 KiB in memory */
    POLICY_NAME_MAX = 128,         /* bytes of a role's name: it stands in every audit line */

    /* Requests */
    TARGET_MAX = 32 << 10, /* bytes of a request target; CLIs stay below 4 KiB, dockerode's
                              copies of its options are longer */
    PARAMS_MAX = 64,       /* query parameters; ImageBuild knows 38 */
    API_MAJOR = 1,         /* the only major version of the Engine API so far */
    API_MINOR_FLOOR = 24,  /* below it, start takes a HostConfig in its body */

    GLOB_MAX = 4096, /* bytes of a pattern, as PATH_MAX; longer ones never match */

    ARCHIVE_MARK_MAX = 16, /* bytes by which the daemon tells a compressed upload; 10 in dockerd */

    /* Facts */
    FACTS_MAX = 32,          /* that one decision may ask for */
    FACT_TEXT_MAX = 4 << 20, /* bytes of one answer */
    FACT_ROUNDS_MAX = 6,     /* times that a decision may ask: containers lead to others */
    FACT_NAME_MAX = 4096,    /* bytes; a path's limit */
    PARAM_CHANGES_MAX = 4,   /* parameters that a decision sets */

    /* Signed images */
    SIGNED_KEYS_MAX = 8,        /* keys of one entry */
    SIGNED_IDENTITIES_MAX = 16, /* trusted identities of one entry */
    SIGNED_DIGEST_MAX = 71,     /* bytes of "sha256:" and 64 digits */
    SIGNED_KEY_MAX = 71,        /* bytes of a fingerprint, "SHA256:" and 64 digits */
    SIGNED_WORD_MAX = 31,       /* bytes of a reason or format: "child_not_in_index" */
    SIGNED_LOOKS_MAX = 8,       /* digests of one image that are asked about */

    /* Memory */
    ARENA_CHUNK_BYTES = 16 << 10,  /* first chunk; grows with what is asked */
    ARENA_KEEP_BYTES = 256 << 10,  /* kept by arena_reset for the next request */
    DECISION_BYTES_MAX = 32 << 20, /* that one decision takes: a body and some five answers with
                                      JSON_VALUES_MAX values each, far above what is honest */

    /* Texts of a decision */
    REASON_MAX = 1400,
    FIELD_MAX = 192,
    VALUE_MAX = 96,
    ALLOW_WITH_MAX = 512,

    /* Rewriting */
    EDITS_MAX = 128,             /* places of a body that change: labels, IDs of what was judged */
    EDITS_ADDED_MAX = 256 << 10, /* bytes that they add */
    FILTER_HELD_MAX = 4 << 20,   /* bytes of one object, or of a body that is rewritten whole */

    /* HTTP */
    HEADERS_MAX = 100, /* header lines of a request or response */
};

#endif
