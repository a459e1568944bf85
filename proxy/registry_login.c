/* Logins from a file and from a header; see registry_login.h.
   https://github.com/docker/cli/blob/master/cli/config/configfile/file.go,
   https://docs.docker.com/reference/api/engine/ (Authentication). */
#include "registry_login.h"

#include "cmd.h"
#include "log.h"
#include "sign_encoding.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct entry {
    struct str host;
    struct registry_login login;
};

struct registry_logins {
    struct arena arena; /* holds all texts, and the text of the file */
    struct entry *entries;
    size_t count;
    char *wiped; /* the file's text; owned */
    size_t wiped_length;
};

bool registry_login_empty(const struct registry_login *login)
{
    return login->user.n == 0 && login->password.n == 0 && login->identity.n == 0 &&
           login->token.n == 0;
}

/* ---- one login ----------------------------------------------------------------------------- */

/* What becomes part of a header as it is. */
static bool is_visible(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return false;
    return true;
}

/* "user:password" in base64; older programs end it with NULs, which docker's CLI trims. */
static bool split_auth(struct str auth, struct arena *arena, struct registry_login *out)
{
    struct str text;
    if (!sign_base64_decode(auth, arena, &text))
        return false;
    size_t colon = str_find(text, ':');
    if (colon == text.n)
        return false;
    out->user = str_head(text, colon);
    out->password = str_skip(text, colon + 1);
    while (out->password.n > 0 && out->password.p[out->password.n - 1] == '\0')
        out->password.n--;
    return true;
}

static bool read_login(const struct json *doc, const struct json_node *node, struct arena *arena,
                       struct registry_login *out)
{
    struct str auth = sign_json_text(doc, node, "auth");
    *out = (struct registry_login){
        .user = sign_json_text(doc, node, "username"),
        .password = sign_json_text(doc, node, "password"),
        .identity = sign_json_text(doc, node, "identitytoken"),
        .token = sign_json_text(doc, node, "registrytoken"),
    };
    if (out->user.n == 0 && auth.n > 0 && !split_auth(auth, arena, out))
        return false;
    return is_visible(out->token) && out->user.n <= REGISTRY_LOGIN_MAX &&
           out->password.n <= REGISTRY_LOGIN_MAX && out->identity.n <= REGISTRY_LOGIN_MAX &&
           out->token.n <= REGISTRY_LOGIN_MAX && str_find(out->user, ':') == out->user.n;
}

bool registry_login_of_header(struct str header, struct arena *arena, struct registry_login *out)
{
    struct json doc;
    struct str text;
    struct err err = {.set = false};
    *out = (struct registry_login){.user = {NULL, 0}};
    header = str_trim(header);
    if (header.n > REGISTRY_LOGIN_HEADER_MAX)
        return false;
    for (int padding = 0; padding < 2 && header.n > 0 && header.p[header.n - 1] == '='; padding++)
        header.n--;
    if (header.n == 0)
        return true;
    if (!sign_base64url_decode(header, arena, &text) || !sign_json_scan(text, arena, &doc, &err))
        return false;
    if (doc.nodes[0].kind == JSON_NULL)
        return true;
    return doc.nodes[0].kind == JSON_OBJECT && read_login(&doc, &doc.nodes[0], arena, out);
}

/* ---- the file ------------------------------------------------------------------------------ */

/* The registry that a name of "auths" stands for: "https://index.docker.io/v1/" is docker.io. */
static struct str host_of(struct str name)
{
    static const struct str schemes[] = {{"https://", 8}, {"http://", 7}};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (str_starts(name, schemes[i]))
            name = str_skip(name, schemes[i].n);
    name = str_head(name, str_find(name, '/'));
    if (str_is(name, "index.docker.io") || str_is(name, "registry-1.docker.io"))
        return STR("docker.io");
    return name;
}

static bool read_entries(const struct json *doc, const struct json_node *auths,
                         struct registry_logins *logins, struct err *err)
{
    logins->entries =
        arena_alloc(&logins->arena, auths->count ? auths->count : 1, sizeof(*logins->entries));
    if (!logins->entries)
        return err_set(err, 0, 0, "out of memory");
    const struct json_node *node = auths->count ? json_child(doc, auths) : NULL;
    for (; node; node = json_next(doc, node)) {
        struct entry *entry = &logins->entries[logins->count];
        int line, column;
        json_place(doc, node->offset, &line, &column);
        if (node->kind != JSON_OBJECT || !read_login(doc, node, &logins->arena, &entry->login))
            return err_set(err, line, column,
                           "line %d: this is no login: give \"auth\" (base64 of user:password), "
                           "or \"username\" and \"password\", \"identitytoken\" or "
                           "\"registrytoken\"",
                           line);
        entry->host = host_of(node->key);
        logins->count += !registry_login_empty(&entry->login);
    }
    return true;
}

static bool read_document(struct str text, struct registry_logins *logins, bool *helpers,
                          struct err *err)
{
    struct json doc;
    struct err cause = {.set = false};
    if (!sign_json_scan(text, &logins->arena, &doc, &cause))
        return err_set(err, cause.line, cause.column, "line %d: %s", cause.line, cause.text);
    const struct json_node *root = &doc.nodes[0];
    *helpers = json_get(&doc, root, STR("credsStore")) || json_get(&doc, root, STR("credHelpers"));
    const struct json_node *auths = sign_json_get(&doc, root, "auths", JSON_OBJECT);
    if (!auths && !*helpers)
        return err_set(err, 0, 0, "there is no object \"auths\", as docker's config.json has it");
    return !auths || read_entries(&doc, auths, logins, err);
}

struct registry_logins *registry_logins_parse(struct str text, bool *helpers, struct err *err)
{
    struct registry_logins *logins = calloc(1, sizeof(*logins));
    *helpers = false;
    if (logins)
        logins->wiped = malloc(text.n + 1);
    if (!logins || !logins->wiped) {
        free(logins);
        err_set(err, 0, 0, "out of memory");
        return NULL;
    }
    if (text.n > 0)
        memcpy(logins->wiped, text.p, text.n);
    logins->wiped_length = text.n;
    if (read_document((struct str){logins->wiped, text.n}, logins, helpers, err))
        return logins;
    registry_logins_free(logins);
    return NULL;
}

static void wipe(struct str text)
{
    if (text.n > 0)
        OPENSSL_cleanse((void *)(uintptr_t)text.p, text.n);
}

void registry_logins_free(struct registry_logins *logins)
{
    if (!logins)
        return;
    for (size_t i = 0; i < logins->count; i++) {
        wipe(logins->entries[i].login.user);
        wipe(logins->entries[i].login.password);
        wipe(logins->entries[i].login.identity);
        wipe(logins->entries[i].login.token);
    }
    arena_free(&logins->arena);
    OPENSSL_cleanse(logins->wiped, logins->wiped_length);
    free(logins->wiped);
    free(logins);
}

const struct registry_login *registry_logins_find(const struct registry_logins *logins,
                                                  struct str host)
{
    for (size_t i = 0; logins && i < logins->count; i++)
        if (str_eq(logins->entries[i].host, host))
            return &logins->entries[i].login;
    return NULL;
}

static bool check_file(const char *path, uid_t uid, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_set(err, 0, 0, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, 0, 0, "%s is not a file", path);
    if (st.st_mode & 077)
        return err_set(err, 0, 0,
                       "%s can be read by group or others (mode %04o): `chmod 600 %s`; where that "
                       "was so for long, make new passwords",
                       path, (unsigned)(st.st_mode & 07777), path);
    return file_private_enough(path, uid, err);
}

struct registry_logins *registry_logins_read(const char *path, uid_t uid, struct err *err)
{
    size_t length = 0;
    bool helpers = false;
    struct err cause = {.set = false};
    if (!check_file(path, uid, err))
        return NULL;
    char *text = file_read(path, REGISTRY_LOGINS_FILE_MAX, &length, err);
    if (!text)
        return NULL;
    struct registry_logins *logins =
        registry_logins_parse((struct str){text, length}, &helpers, &cause);
    OPENSSL_cleanse(text, length);
    free(text);
    if (!logins)
        err_set(err, 0, 0, "%s: %s", path, cause.text);
    else if (helpers)
        log_warn("--registry-auth %s names programs that keep logins (credsStore, credHelpers), "
                 "which are not run: only what stands in \"auths\" is used",
                 path);
    return logins;
}
