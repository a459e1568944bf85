/* Memory file systems of a container. Their options reach mount(2): `remount` or `bind` among them
   would change what already is mounted at the target, so only words that cannot pass. */
#include "checks.h"

enum { DIGITS_MAX = 15 };

/* ---- options as text ------------------------------------------------------------------------- */

/* Digits, and a unit or '%' behind them. */
static bool is_quantity(struct str text)
{
    size_t digits = 0;
    while (digits < text.n && ascii_digit(text.p[digits]))
        digits++;
    bool unit = digits + 1 == text.n && memchr("kKmMgGtT%", text.p[digits], 9);
    return digits > 0 && digits <= DIGITS_MAX && (digits == text.n || unit);
}

static bool in_list(struct str word, const char *const list[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(word, list[i]))
            return true;
    return false;
}

static bool word_plain(struct str word)
{
    static const char *const flags[] = {"rw",     "ro",  "exec",  "noexec",  "suid",
                                        "nosuid", "dev", "nodev", "noatime", "relatime"};
    static const char *const values[] = {"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"};
    size_t at = str_find(word, '=');
    if (at == word.n)
        return in_list(word, flags, ARRAY_LEN(flags));
    return in_list(str_head(word, at), values, ARRAY_LEN(values)) &&
           is_quantity(str_skip(word, at + 1));
}

/* The first word that may not be there; empty: none. */
static struct str word_refused(struct str text)
{
    while (text.n > 0) {
        struct str word = str_head(text, str_find(text, ','));
        if (!word_plain(word))
            return word.n > 0 ? word : text;
        text = str_skip(text, word.n + 1);
    }
    return text;
}

/* "64m" in bytes; -1: no plain size. */
static int64_t size_bytes(struct str text)
{
    static const char units[] = "kmgt";
    int64_t size;
    char last = text.n ? ascii_lower(text.p[text.n - 1]) : '\0';
    const char *unit = ascii_alpha(last) ? memchr(units, last, sizeof(units) - 1) : NULL;
    if (!str_to_int(str_head(text, text.n - (unit ? 1 : 0)), &size) ||
        (unit && __builtin_mul_overflow(size, (int64_t)1 << (10 * (unit - units + 1)), &size)))
        return -1;
    return size;
}

/* The size that the options give, in bytes; 0: none; -1: not to be told. */
static int64_t size_of(struct str text)
{
    int64_t size = 0;
    for (; text.n > 0; text = str_skip(text, str_find(text, ',') + 1)) {
        struct str word = str_head(text, str_find(text, ','));
        if (str_starts(word, STR("size=")) && size >= 0)
            size = size_bytes(str_skip(word, strlen("size=")));
        else if (str_starts(word, STR("nr_blocks=")))
            size = -1;
    }
    return size;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* What covers /dev/shm is /dev/shm. A path that is not plain may lead there. */
static enum finding judge_shm(struct check *check, struct str target, int64_t size,
                              struct str written)
{
    const struct constraint *shm = check_key(check, KEY_SHM_SIZE);
    bool limited = shm->has_max || shm->required;
    bool elsewhere = path_is_normal(target) && !str_is(path_trim(target), "/dev/shm");
    if (!limited || elsewhere || (size > 0 && (!shm->has_max || size <= shm->max)))
        return FINDING_PASS;
    return refuse_with(check, KEY_SHM_SIZE, written, NULL,
                       "mounts a tmpfs at /dev/shm whose size containers.shm_size does not allow");
}

static enum finding judge_options(struct check *check, struct str options)
{
    struct str word = word_refused(options);
    if (word.n == 0)
        return FINDING_PASS;
    SHOWN(shown, word);
    return refuse_with(check, KEY_TMPFS, word, NULL,
                       "has the option \"%s\", which is none of a plain tmpfs: it could change "
                       "what is mounted there already",
                       shown);
}

static enum finding judge_place(struct check *check, struct str target)
{
    if (path_is_normal(target) && (target.n == 1 || target.p[target.n - 1] != '/'))
        return FINDING_PASS;
    SHOWN(shown, target);
    return refuse_with(check, KEY_TMPFS, target, NULL,
                       "mounts a tmpfs at \"%s\", which is not a plain absolute path (no '..', "
                       "'.', '//' or '/' at its end)",
                       shown);
}

enum finding check_tmpfs(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value); n;
         n = json_next(check->body, n)) {
        if (judge_target(check, n->key) != FINDING_PASS ||
            judge(check, KEY_TMPFS, n->key) != FINDING_PASS ||
            judge_shm(check, n->key, size_of(n->text), n->text) != FINDING_PASS)
            return FINDING_REFUSE;
        if (check->role->unrestricted)
            continue;
        if (judge_place(check, n->key) != FINDING_PASS ||
            judge_options(check, n->text) != FINDING_PASS)
            return FINDING_REFUSE;
    }
    return FINDING_PASS;
}

/* A mount's options: each a list of name and value. */
enum finding check_tmpfs_options(struct check *check, const struct json_node *value)
{
    for (const struct json_node *n = json_child(check->body, value);
         n && !check->role->unrestricted; n = json_next(check->body, n)) {
        const struct json_node *name = json_child(check->body, n);
        struct str word = name ? name->text : STR("");
        if (n->count == 1 && (str_is(word, "exec") || str_is(word, "noexec")))
            continue;
        SHOWN(shown, word);
        check->at = n;
        return refuse_with(check, KEY_TMPFS, word, NULL,
                           "is \"%s\": only \"exec\" and \"noexec\" are plain options of a "
                           "tmpfs",
                           shown);
    }
    return FINDING_PASS;
}

enum finding mount_tmpfs(struct check *check, const struct json_node *mount)
{
    struct str target = member_text(check, mount, "Target");
    const struct json_node *options = json_get(check->body, mount, STR("TmpfsOptions"));
    const struct json_node *given = json_get(check->body, options, STR("SizeBytes"));
    int64_t size = 0;
    if (given && !json_int(given, &size))
        size = -1;
    if (judge(check, KEY_TMPFS, target) != FINDING_PASS)
        return FINDING_REFUSE;
    return judge_shm(check, target, size, given ? given->text : STR(""));
}
