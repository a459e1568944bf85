/* Files that commands read, and the policy among them. */
#include "cmd.h"

#include "nearest.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

int cmd_fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("sockwarden: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

static char *read_all(FILE *file, size_t max, size_t *length)
{
    size_t cap = 4096, n = 0;
    char *text = malloc(cap);
    while (text) {
        n += fread(text + n, 1, cap - n, file);
        if (n < cap || n > max)
            break;
        cap *= 2;
        char *larger = realloc(text, cap);
        if (!larger)
            free(text);
        text = larger;
    }
    *length = n;
    return text;
}

char *file_read(const char *path, size_t max, size_t *length, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (!file) {
        err_set(err, 0, 0, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = read_all(file, max, length);
    bool failed = ferror(file) != 0;
    int error = errno;
    if (!standard)
        fclose(file);
    if (text && !failed && *length <= max)
        return text;
    if (text && failed)
        err_set(err, 0, 0, "cannot read %s: %s", path, strerror(error));
    else if (text)
        err_set(err, 0, 0, "%s is larger than %zu bytes", path, max);
    else
        err_set(err, 0, 0, "out of memory");
    free(text);
    return NULL;
}

/* Whoever may write in a folder exchanges its files, unless its sticky bit is set, and its owner
   always does; nobody where it is mounted read-only, as Kubernetes does with its ConfigMaps. */
static bool folder_private_enough(const char *path, uid_t self, struct err *err)
{
    char folder[PATH_MAX];
    struct stat st;
    struct statvfs mount;
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        snprintf(folder, sizeof(folder), ".");
    else
        slash[slash == folder ? 1 : 0] = '\0';
    if (stat(folder, &st) != 0 || (statvfs(folder, &mount) == 0 && mount.f_flag & ST_RDONLY))
        return true;
    if (st.st_uid != 0 && st.st_uid != self)
        return err_set(
            err, 0, 0,
            "%s may be replaced by uid %u, whose folder %s is; put it into one of root's, "
            "such as /etc/sockwarden, or `chown root %s`",
            path, (unsigned)st.st_uid, folder, folder);
    bool everybody = st.st_mode & S_IWOTH, group = st.st_mode & S_IWGRP && st.st_gid != 0;
    if (st.st_mode & S_ISVTX || !(everybody || group))
        return true;
    const char *who = everybody ? "everybody" : "its group";
    return err_set(err, 0, 0, "%s may be replaced by %s, since %s may write in %s; `chmod %s %s`",
                   path, who, who, folder, everybody ? "o-w" : "g-w", folder);
}

bool file_private_enough(const char *path, uid_t self, struct err *err)
{
    struct stat st;
    char target[PATH_MAX];
    if (stat(path, &st) != 0)
        return true;
    if (st.st_uid != 0 && st.st_uid != self)
        return err_set(err, 0, 0,
                       "%s belongs to uid %u, who may change it; it has to belong to root or to "
                       "the user that sockwarden runs as: `chown root %s`",
                       path, (unsigned)st.st_uid, path);
    /* Root's own group is root. */
    if (st.st_mode & S_IWOTH || (st.st_mode & S_IWGRP && st.st_gid != 0))
        return err_set(err, 0, 0, "%s may be written by %s; `chmod go-w %s`", path,
                       st.st_mode & S_IWOTH ? "everybody" : "its group", path);
    return folder_private_enough(path, self, err) &&
           (!realpath(path, target) || folder_private_enough(target, self, err));
}

static void hash_text(const char *text, size_t length, char hash[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    hash[0] = '\0';
    if (EVP_Digest(text, length, digest, &n, EVP_sha256(), NULL) != 1)
        return;
    for (size_t i = 0; i < 32; i++)
        snprintf(hash + 2 * i, 3, "%02x", digest[i]);
}

struct policy *policy_of_text(struct str text, char hash[65], struct err_list *errors)
{
    hash_text(text.p, text.n, hash);
    return policy_load(text, errors);
}

struct policy *policy_read(const char *path, char hash[65])
{
    struct err err = {.set = false};
    size_t length = 0;
    char *text = file_read(path, POLICY_FILE_MAX, &length, &err);
    if (!text) {
        cmd_fail(0, "%s", err.text);
        return NULL;
    }
    struct err_list errors = {NULL, 0, 0};
    struct policy *policy = policy_of_text((struct str){text, length}, hash, &errors);
    for (size_t i = 0; i < errors.count; i++)
        fprintf(stderr, "%s:%d:%d: %s%s\n", path, errors.items[i].err.line,
                errors.items[i].err.column, errors.items[i].warning ? "warning: " : "",
                errors.items[i].err.text);
    err_list_free(&errors);
    free(text);
    return policy;
}

void role_missing(const struct policy *policy, const char *name, char *dst, size_t cap)
{
    struct nearest nearest = nearest_to(str_of(name));
    for (size_t i = 0; i < policy_role_count(policy); i++)
        nearest_offer(&nearest, str_of(role_name(policy_role_at(policy, i))));
    const char *builtin = NULL; /* that would be meant without a policy */
    for (size_t i = 0; builtin_role_name(i); i++)
        if (!policy_is_file(policy))
            nearest_offer(&nearest, str_of(builtin_role_name(i)));
        else if (str_is(str_of(name), builtin_role_name(i)))
            builtin = builtin_role_name(i);
    if (builtin && !nearest.best.p)
        snprintf(dst, cap, "there is no role %.64s in the policy; did you mean builtin:%s?", name,
                 builtin);
    else if (nearest.best.p)
        snprintf(dst, cap, "there is no role %.64s; did you mean %.*s?", name,
                 STR_ARG(nearest.best));
    else
        snprintf(dst, cap,
                 "there is no role %.64s; the policy's roles and the built-in ones "
                 "(`sockwarden roles`) can be named",
                 name);
}
