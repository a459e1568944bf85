/* Configurations of other socket proxies, read into a policy. Pure: bytes in; roles, clients and
   notes on what changes out, and the text of the policy. What is not understood opens nothing. */
#ifndef PROXY_IMPORT_H
#define PROXY_IMPORT_H

#include "policy.h"

enum {
    IMPORT_FILE_MAX = 1 << 20, /* bytes of a source */
    IMPORT_ROLES_MAX = 32,
    IMPORT_CLIENTS_MAX = 64,
    IMPORT_TRAITS_MAX = 4,
    IMPORT_KEYS_MAX = 48,
    IMPORT_FOLDERS_MAX = 64,
};

enum import_kind {
    IMPORT_ENVIRONMENT, /* variables that both of the next two have: what either lets through by
                           name */
    IMPORT_TECNATIVA,
    IMPORT_LINUXSERVER,
    IMPORT_WOLLOMATIC,
    IMPORT_CETUSGUARD,
    IMPORT_SOCKGUARD,
};

enum import_gravity {
    IMPORT_WRONG,    /* no policy comes of it */
    IMPORT_LOST,     /* not carried over */
    IMPORT_STRICTER, /* refused, or judged more closely than there */
    IMPORT_TOLD,     /* for the command line, or good to know */
};

struct import_note {
    enum import_gravity gravity;
    int line; /* of the source, from 1; 0: none */
    const char *text;
    struct import_note *next;
};

/* A constraint of a role: "containers", "binds", a JSON value. */
struct import_key {
    const char *group, *name;
    struct str json;
};

struct import_role {
    struct str name;
    const char *gist;
    bool allow[OP_COUNT];
    int api_min, api_max; /* minor versions; 0: not bound */
    struct import_key keys[IMPORT_KEYS_MAX];
    size_t key_count;
    struct str owner_label, owner_value; /* p NULL: none */
};

struct import_client {
    struct str name, role;
    struct {
        const char *key; /* of `match` */
        struct str json; /* a list */
    } traits[IMPORT_TRAITS_MAX];
    size_t trait_count;
};

struct import {
    struct arena arena; /* of all that follows */
    struct import_note *notes, **notes_end;
    bool wrong; /* a note is IMPORT_WRONG, or memory is out */
    struct import_role roles[IMPORT_ROLES_MAX];
    size_t role_count;
    struct import_client clients[IMPORT_CLIENTS_MAX];
    size_t client_count;
};

/* A variable, a flag, or a line of a file that sets one. */
struct import_setting {
    struct str name, value;
    int line; /* 0: of the environment */
};

struct import_settings {
    struct import_setting *items;
    size_t count;
};

/* Several hundred kilobytes: static or on the heap. import_free() in the end. */
void import_open(struct import *import);
void import_free(struct import *import);

/* Adds a note of one sentence without a dot; bytes of the source are escaped by the caller. Always
   false, so that a reader can end with `return import_note(...)`. */
bool import_note(struct import *import, enum import_gravity gravity, int line, const char *format,
                 ...) PRINTF_LIKE(4, 5);
/* A new role that may do nothing; NULL: too many, which is noted. */
struct import_role *import_add_role(struct import *import, struct str name, const char *gist,
                                    int line);
/* A new client; NULL: too many, which is noted. */
struct import_client *import_add_client(struct import *import, struct str name, struct str role,
                                        int line);
/* Sets a key of the role; json must be JSON and is borrowed. */
void import_set_key(struct import *import, struct import_role *role, const char *group,
                    const char *name, struct str json);
void import_set_trait(struct import *import, struct import_client *client, const char *key,
                      struct str json);
/* A JSON list of these texts in the arena. */
struct str import_list(struct import *import, const struct str *items, size_t count);

/* A path of folders in its normal form, of plain bytes, other than / itself. */
bool import_is_folder(struct str path);
/* A JSON list of globs for everything in these folders, of which there are IMPORT_FOLDERS_MAX. */
struct str import_folders(struct import *import, const struct str *folders, size_t count);

/* Reads lines of NAME=value, as of an env file, or of the lists `- NAME=value` and `NAME: value` of
   a Compose file. False: another line, or a name given twice, which is noted. */
bool import_read_settings(struct import *import, struct str text, struct import_settings *out);
/* The same from an environment; entries of other forms are left out. */
bool import_take_environment(struct import *import, char **environment,
                             struct import_settings *out);
/* The setting of that name, or NULL. */
const struct import_setting *import_find(const struct import_settings *settings, const char *name);
/* `-name=value` and `name=value`, one a line, as in a Compose file's `command` and `environment`.
 */
bool import_read_flags(struct import *import, struct str text, struct import_settings *out);

/* The readers. Each makes roles, clients and notes; false: no policy comes of it, and a note says
   why. */
bool import_sections(struct import *import, const struct import_settings *settings,
                     enum import_kind kind);
bool import_wollomatic(struct import *import, const struct import_settings *settings);
bool import_cetusguard(struct import *import, struct str text, bool builtin_rules);
bool import_sockguard(struct import *import, struct str text);
/* Can this program read Sockguard's YAML? */
bool import_has_yaml(void);

/* Would these variables serve a docker-socket-proxy: does one of its sections have a value that
   reads as a switch? */
bool import_wants_sections(const struct import_settings *settings);

/* The policy's text, in the arena; p NULL: memory is out. */
struct str import_write(struct import *import);

#endif
