/* The signature store: a folder of files that somebody has brought, DIR/HOST/REPOSITORY/sha256-HEX/
       N.payload, N.sig    of cosign (--output-payload, --output-signature)
       N.bundle.json       a sigstore bundle
       N.jws               an envelope of Notation
       N.manifest.json     a manifest or index: of the image itself, or of the index's
   The folder is not trusted: each signature is verified at each use, and a manifest counts by its
   digest. N is any name. */
#include "trust_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILES_MAX = 256,           /* of one folder that are looked at */
    FOLDERS_MAX = 512,         /* of one repository */
    MANIFESTS_MAX = 512,       /* that are held for one question */
    VOUCHERS_MAX = 8,          /* indexes that list a manifest, or manifests of one ID */
    SHELF_BYTES_MAX = 48 << 20 /* of files and what is made of them, for one question */
};

/* What one question has read of a repository's folder. */
struct shelf {
    const struct trust_subject *subject;
    const struct trust_steps *steps;
    struct arena arena;
    char folder[PATH_MAX]; /* of the repository */
    struct sign_manifest *held[MANIFESTS_MAX];
    size_t held_count;
    bool all_read; /* every manifest of the repository is held */
};

struct names {
    struct str items[FOLDERS_MAX];
    size_t count;
    bool more; /* than are looked at */
};

/* ---- files ----------------------------------------------------------------------------------- */

/* Names of images have no such parts; a folder must never lead out of the store. */
static bool parts_are_plain(struct str path)
{
    for (struct str rest = path;;) {
        size_t slash = str_find(rest, '/');
        struct str part = str_head(rest, slash);
        if (part.n == 0 || part.p[0] == '.' || str_find(part, '\0') < part.n)
            return false;
        if (slash == rest.n)
            return true;
        rest = str_skip(rest, slash + 1);
    }
}

static bool shelf_open(struct shelf *shelf, const char *dir, const struct trust_subject *subject,
                       const struct trust_steps *steps)
{
    *shelf =
        (struct shelf){.subject = subject, .steps = steps, .arena = {.limit = SHELF_BYTES_MAX}};
    int n = snprintf(shelf->folder, sizeof shelf->folder, "%s/", dir);
    if (!parts_are_plain(subject->host) || !parts_are_plain(subject->path) || n < 0 ||
        (size_t)n + subject->host.n + subject->path.n + 2 > sizeof shelf->folder)
        return false;
    char *at = shelf->folder + n;
    for (size_t i = 0; i < subject->host.n; i++)
        *at++ = subject->host.p[i] == ':' ? '_' : subject->host.p[i];
    *at++ = '/';
    memcpy(at, subject->path.p, subject->path.n);
    at[subject->path.n] = '\0';
    return true;
}

static bool name_path(const struct shelf *shelf, struct str digest, struct str name, char *dst)
{
    struct str hex = str_skip(digest, strlen("sha256:"));
    return snprintf(dst, PATH_MAX, "%s/sha256-%.*s%s%.*s", shelf->folder, STR_ARG(hex),
                    name.n ? "/" : "", STR_ARG(name)) < PATH_MAX;
}

static int compare_names(const void *a, const void *b)
{
    const struct str *left = a, *right = b;
    size_t n = left->n < right->n ? left->n : right->n;
    int order = memcmp(left->p, right->p, n);
    return order ? order : left->n < right->n ? -1 : left->n > right->n;
}

/* The names in a folder in order, without those that begin with a dot. */
static void list_folder(struct shelf *shelf, const char *path, size_t max, struct names *out)
{
    out->count = 0;
    out->more = false;
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.')
            continue;
        out->more = out->count == max;
        if (out->more)
            break;
        struct str name = arena_copy(&shelf->arena, str_of(entry->d_name));
        if (name.p)
            out->items[out->count++] = name;
    }
    closedir(dir);
    qsort(out->items, out->count, sizeof *out->items, compare_names);
}

/* Reads a file of at most max bytes, and one more of a larger one. */
static bool read_file(struct shelf *shelf, const char *path, size_t max, struct str *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *text = NULL;
    size_t n = 0, cap = max + 1;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        cap = st.st_size >= 0 && (uint64_t)st.st_size < cap ? (size_t)st.st_size + 1 : cap;
        text = arena_alloc(&shelf->arena, cap, 1);
    }
    while (text && n < cap) {
        ssize_t got = read(fd, text + n, cap - n);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            text = NULL;
        n += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        close(fd);
    *out = (struct str){text, n};
    return text != NULL;
}

static bool read_of(struct shelf *shelf, struct str digest, struct str name, size_t max,
                    struct str *out)
{
    char path[PATH_MAX];
    return name_path(shelf, digest, name, path) && read_file(shelf, path, max, out);
}

/* ---- manifests ------------------------------------------------------------------------------- */

static const struct sign_manifest *held(const struct shelf *shelf, struct str digest)
{
    for (size_t i = 0; i < shelf->held_count; i++)
        if (str_eq(shelf->held[i]->digest, digest))
            return shelf->held[i];
    return NULL;
}

/* A manifest's digest is that of its bytes, wherever it lies; one that is none is passed over. */
static void hold(struct shelf *shelf, struct str bytes)
{
    struct sign_verdict ignored;
    char digest[SIGN_DIGEST_BYTES + 1];
    if (shelf->held_count == MANIFESTS_MAX || !sign_digest_write(bytes, digest) ||
        held(shelf, str_of(digest)))
        return;
    struct sign_manifest *manifest = arena_alloc(&shelf->arena, 1, sizeof *manifest);
    struct str kept = arena_copy(&shelf->arena, str_of(digest));
    if (manifest && kept.p && sign_manifest_read(bytes, kept, &shelf->arena, manifest, &ignored))
        shelf->held[shelf->held_count++] = manifest;
}

static void hold_folder(struct shelf *shelf, struct str digest)
{
    struct names names;
    struct str bytes;
    char path[PATH_MAX];
    if (!name_path(shelf, digest, STR(""), path))
        return;
    list_folder(shelf, path, FILES_MAX, &names);
    for (size_t i = 0; i < names.count; i++)
        if (str_ends(names.items[i], STR(".manifest.json")) &&
            read_of(shelf, digest, names.items[i], SIGN_MANIFEST_MAX, &bytes))
            hold(shelf, bytes);
}

static void hold_all(struct shelf *shelf)
{
    struct names names;
    char digest[SIGN_DIGEST_BYTES + 1];
    if (shelf->all_read)
        return;
    shelf->all_read = true;
    list_folder(shelf, shelf->folder, FOLDERS_MAX, &names);
    for (size_t i = 0; i < names.count; i++) {
        struct str hex = str_skip(names.items[i], strlen("sha256-"));
        snprintf(digest, sizeof digest, "sha256:%.*s", STR_ARG(hex));
        if (str_starts(names.items[i], STR("sha256-")) && hex.n + 7 == SIGN_DIGEST_BYTES &&
            sign_digest_valid(str_of(digest)))
            hold_folder(shelf, str_of(digest));
    }
}

static bool lists(const struct sign_manifest *index, struct str digest,
                  const struct sign_manifest *child)
{
    struct sign_verdict ignored;
    if (child)
        return sign_child_listed(index, child, &ignored);
    for (size_t i = 0; i < index->child_count; i++)
        if (str_eq(index->children[i].digest, digest))
            return true;
    return false;
}

/* ---- signatures ------------------------------------------------------------------------------ */

/* What is judged, when it is this digest. */
static struct sign_image image_of(struct shelf *shelf, struct str digest)
{
    struct sign_image image = shelf->subject->image;
    if (!held(shelf, digest))
        hold_folder(shelf, digest);
    const struct sign_manifest *manifest = held(shelf, digest);
    image.digest = digest;
    image.media_type = manifest ? manifest->media_type : (struct str){NULL, 0};
    image.size = manifest ? manifest->size : 0;
    return image;
}

static bool judge_payload(struct shelf *shelf, const struct sign_image *image, struct str name,
                          struct sign_verdict *one)
{
    struct str payload, text;
    char digest[SIGN_DIGEST_BYTES + 1];
    const struct str parts[] = {str_head(name, name.n - strlen(".payload")), STR(".sig")};
    struct str other = arena_join(&shelf->arena, parts, ARRAY_LEN(parts));
    if (!read_of(shelf, image->digest, name, SIGN_BLOB_MAX, &payload) || !other.p)
        return sign_refuse(one, SIGN_NO_SIGNATURE, "it cannot be read");
    if (!read_of(shelf, image->digest, other, SIGN_BLOB_MAX, &text))
        return sign_refuse(one, SIGN_NO_SIGNATURE, "there is no %.*s beside it", STR_ARG(other));
    if (text.n > SIGN_BLOB_MAX || !sign_digest_write(payload, digest))
        return sign_refuse(one, SIGN_LIMIT, "a signature of more than %d bytes", SIGN_BLOB_MAX);
    const struct sign_descriptor layer = {
        .digest = str_of(digest), .size = payload.n, .signature = text};
    return sign_cosign_judge(&shelf->subject->rule->sign, image, &layer, payload, &shelf->arena,
                             one);
}

static bool judge_blob(struct shelf *shelf, const struct sign_image *image, struct str name,
                       bool bundle, struct sign_verdict *one)
{
    struct str bytes;
    const struct sign_rule *rule = &shelf->subject->rule->sign;
    if (!read_of(shelf, image->digest, name, SIGN_BLOB_MAX, &bytes))
        return sign_refuse(one, SIGN_NO_SIGNATURE, "it cannot be read");
    if (bytes.n > SIGN_BLOB_MAX)
        return sign_refuse(one, SIGN_LIMIT, "a signature of more than %d bytes", SIGN_BLOB_MAX);
    if (bundle)
        return sign_bundle_judge(rule, image, bytes, &shelf->arena, one);
    if (!image->media_type.n && rule->formats & BIT(SIGN_NOTATION_JWS))
        return sign_refuse(one, SIGN_BAD_ENVELOPE,
                           "Notation signs type and size of the manifest too, so that has to be "
                           "in the store, as 1.manifest.json beside it");
    return sign_notation_judge(rule, image, bytes, &shelf->arena, one);
}

/* False: the file is none of a signature. */
static bool judge_file(struct shelf *shelf, const struct sign_image *image, struct str name,
                       struct sign_verdict *one)
{
    *one = (struct sign_verdict){0};
    if (str_ends(name, STR(".payload")))
        judge_payload(shelf, image, name, one);
    else if (str_ends(name, STR(".bundle.json")))
        judge_blob(shelf, image, name, true, one);
    else if (str_ends(name, STR(".jws")))
        judge_blob(shelf, image, name, false, one);
    else
        return false;
    char shown[160];
    text_sentence(shown, sizeof shown, name);
    if (one->reason == SIGN_OK)
        trust_say(shelf->steps, "%s: %s, signed by %s", shown, sign_format_name(one->format),
                  one->key);
    else
        trust_say(shelf->steps, "%s: %s: %s", shown, sign_reason_name(one->reason), one->text);
    return true;
}

/* Is the digest itself signed? best keeps what got furthest. */
static bool judge_digest(struct shelf *shelf, struct str digest, struct sign_verdict *best)
{
    struct names names;
    char path[PATH_MAX];
    struct sign_verdict one;
    size_t count = 0;
    if (!name_path(shelf, digest, STR(""), path))
        return false;
    struct sign_image image = image_of(shelf, digest);
    trust_say(shelf->steps, "looking into %s", path);
    list_folder(shelf, path, FILES_MAX, &names);
    if (names.more) {
        sign_refuse(&one, SIGN_LIMIT, "more than %d files in a folder of the store", FILES_MAX);
        sign_keep(best, &one);
        return false;
    }
    for (size_t i = 0; i < names.count && best->reason != SIGN_OK; i++) {
        if (!judge_file(shelf, &image, names.items[i], &one))
            continue;
        if (++count > SIGN_CANDIDATES_MAX)
            sign_refuse(&one, SIGN_LIMIT, "more than %d signatures", SIGN_CANDIDATES_MAX);
        sign_keep(best, &one);
        if (count > SIGN_CANDIDATES_MAX)
            break;
    }
    if (shelf->arena.full && best->reason != SIGN_OK)
        sign_refuse(best, SIGN_LIMIT, "the store holds more than is looked at for one image");
    return best->reason == SIGN_OK;
}

/* Is an index signed that lists it? */
static bool judge_indexes(struct shelf *shelf, struct str digest, struct sign_verdict *best)
{
    hold_all(shelf);
    const struct sign_manifest *child = held(shelf, digest);
    for (size_t i = 0, tried = 0; i < shelf->held_count && tried < VOUCHERS_MAX; i++) {
        const struct sign_manifest *index = shelf->held[i];
        if (!index->is_index || !lists(index, digest, child))
            continue;
        tried++;
        trust_say(shelf->steps, "the index %.*s lists it", STR_ARG(index->digest));
        if (judge_digest(shelf, index->digest, best))
            return true;
    }
    return false;
}

/* ---- IDs ------------------------------------------------------------------------------------- */

static void add_config(const struct sign_manifest *manifest, struct trust_verdict *out)
{
    if (manifest->is_index)
        return;
    trust_add_id(out, manifest->config);
    out->mapped = true;
}

static void add_ids(struct shelf *shelf, struct str digest, struct trust_verdict *out)
{
    struct sign_verdict ignored;
    const struct sign_manifest *manifest = held(shelf, digest);
    trust_add_id(out, digest);
    if (manifest)
        add_config(manifest, out);
    for (size_t i = 0; manifest && i < manifest->child_count; i++) {
        struct str child = manifest->children[i].digest;
        if (!held(shelf, child))
            hold_folder(shelf, child);
        const struct sign_manifest *one = held(shelf, child);
        if (!one || !sign_child_listed(manifest, one, &ignored))
            continue;
        trust_add_id(out, child);
        add_config(one, out);
    }
}

static void judge(struct shelf *shelf, struct str digest, struct trust_verdict *out)
{
    struct sign_verdict best;
    char path[PATH_MAX];
    sign_nothing(&best);
    if (judge_digest(shelf, digest, &best) || judge_indexes(shelf, digest, &best)) {
        snprintf(out->digest, sizeof out->digest, "%.*s", STR_ARG(digest));
        add_ids(shelf, digest, out);
    } else if (best.reason == SIGN_NO_SIGNATURE && name_path(shelf, digest, STR(""), path)) {
        sign_refuse(&best, SIGN_NO_SIGNATURE, "the signature store has none in %.190s", path);
    }
    trust_take(out, &best);
}

void trust_store_judge(const char *dir, const struct trust_subject *subject,
                       const struct trust_steps *steps, struct trust_verdict *out)
{
    struct shelf *shelf = malloc(sizeof *shelf); /* too large for the stack of a thread */
    *out = (struct trust_verdict){0};
    if (!shelf || !sign_digest_valid(subject->image.digest) ||
        !shelf_open(shelf, dir, subject, steps))
        trust_refuse(out, SIGN_BAD_MANIFEST, "no folder of the signature store can be named by it");
    else
        judge(shelf, subject->image.digest, out);
    if (shelf)
        arena_free(&shelf->arena);
    free(shelf);
}

/* The manifests whose config is the ID, so far as the store has them. */
static void judge_configs(struct shelf *shelf, struct str id, struct trust_verdict *out)
{
    hold_all(shelf);
    for (size_t i = 0, tried = 0; i < shelf->held_count && tried < VOUCHERS_MAX; i++) {
        const struct sign_manifest *manifest = shelf->held[i];
        struct trust_verdict one = {0};
        if (manifest->is_index || !str_eq(manifest->config, id))
            continue;
        tried++;
        trust_say(shelf->steps, "the manifest %.*s has this ID", STR_ARG(manifest->digest));
        judge(shelf, manifest->digest, &one);
        *out = one;
        if (one.reason == SIGN_OK)
            return;
    }
}

void trust_store_judge_id(const char *dir, const struct trust_subject *subject, struct str id,
                          const struct trust_steps *steps, struct trust_verdict *out)
{
    struct shelf *shelf = malloc(sizeof *shelf);
    *out = (struct trust_verdict){0};
    trust_refuse(out, TRUST_ID_UNKNOWN, "no image with this ID is known to be signed");
    if (shelf && sign_digest_valid(id) && shelf_open(shelf, dir, subject, steps)) {
        struct trust_verdict whole = {0};
        judge(shelf, id, &whole); /* with the containerd store a digest is the ID */
        if (whole.reason == SIGN_OK)
            *out = whole;
        else
            judge_configs(shelf, id, out);
        arena_free(&shelf->arena);
    }
    free(shelf);
}
