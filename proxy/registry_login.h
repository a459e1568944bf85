/* As whom registries are asked: the file of --registry-auth, in the form of docker's config.json,
   and what a client sends as X-Registry-Auth. Nothing here is logged, and errors hold no secrets.
 */
#ifndef PROXY_REGISTRY_LOGIN_H
#define PROXY_REGISTRY_LOGIN_H

#include "arena.h"
#include "err.h"
#include "registry_wire.h"

#include <sys/types.h>

enum {
    REGISTRY_LOGINS_FILE_MAX = 1 << 20, /* bytes */
    REGISTRY_LOGIN_HEADER_MAX = 16 << 10,
};

struct registry_logins; /* immutable; of one reading of the file */

/* Reads the file. uid: of the process, or the one that it will become, which may own it beside
   root; nobody else may read it. NULL with err set; helpers that the file names are warned of. */
struct registry_logins *registry_logins_read(const char *path, uid_t uid, struct err *err);
/* The same of text, which is not kept. helpers: does it name programs that keep logins? */
struct registry_logins *registry_logins_parse(struct str text, bool *helpers, struct err *err);
/* NULL is fine. Wipes what it frees. */
void registry_logins_free(struct registry_logins *logins);
/* The login of a registry ("docker.io", "registry.example.com:5000"), or NULL. logins may be NULL.
 */
const struct registry_login *registry_logins_find(const struct registry_logins *logins,
                                                  struct str host);

/* X-Registry-Auth as moby reads it: base64url of a JSON object. Texts live in the arena. An empty
   one is an empty login. False: it cannot be read. "serveraddress" is not looked at: a login is
   sent to the host of the image and nowhere else. */
bool registry_login_of_header(struct str header, struct arena *arena, struct registry_login *out);
bool registry_login_empty(const struct registry_login *login);

#endif
