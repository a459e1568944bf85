/* Names of learnt roles, and the entries of `clients` that give them to whom; see learn_write.h. */
#include "learn_write.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- descriptions ---------------------------------------------------------------------------- */

void learn_tell(struct told *told, const char *format, ...)
{
    va_list args;
    if (told->n >= LEARN_TOLD_MAX)
        return;
    va_start(args, format);
    int n = vsnprintf(told->p + told->n, sizeof(told->p) - told->n, format, args);
    va_end(args);
    told->n += n > 0 ? (size_t)n : 0;
    if (told->n >= LEARN_TOLD_MAX)
        told->n = LEARN_TOLD_MAX + (size_t)snprintf(told->p + LEARN_TOLD_MAX, 8, " ...");
}

void learn_write_told(const struct told *told, struct json_out *out)
{
    json_out_member(out, "description", (struct str){told->p, told->n});
}

const char *learn_times(uint64_t count)
{
    return count == 1 ? "request" : "requests";
}

/* ---- names ----------------------------------------------------------------------------------- */

/* A name of plain letters for the role: its client's, or of how that is known. */
struct str learn_role_name(struct learned *learned, size_t index, const struct str *taken)
{
    static const char *const prefixes[LEARN_TRAITS] = {
        [LEARN_UID] = "uid-", [LEARN_LISTENER] = "listener-"};
    struct str from = learned->roles[index].name;
    const char *prefix = NULL;
    for (size_t i = 0; i < learned->who_count && !from.p; i++) {
        const struct learn_who *who = &learned->who[i];
        if (who->role != index)
            continue;
        prefix = prefixes[who->trait];
        from = who->trait == LEARN_LISTENER ? who->listener : who->value;
    }
    char text[LEARN_NAME_MAX + 32];
    int n = snprintf(text, sizeof(text), "%s%.*s", prefix ? prefix : "",
                     from.n < LEARN_NAME_MAX ? (int)from.n : LEARN_NAME_MAX, from.p ? from.p : "");
    for (int i = 0; i < n; i++)
        if (!ascii_alpha(text[i]) && !ascii_digit(text[i]) && !memchr("._-", text[i], 3))
            text[i] = '-';
    /* `default` would serve whoever is no client. */
    if (n == 0 || strcmp(text, "default") == 0)
        n = snprintf(text, sizeof(text), "client");
    size_t length = (size_t)n;
    for (size_t again = 2, i = 0; i < index; i++)
        if (str_eq(taken[i], (struct str){text, (size_t)n})) {
            n = (int)length + snprintf(text + length, sizeof(text) - length, "-%zu", again++);
            i = (size_t)-1; /* from the beginning */
        }
    return arena_copy(&learned->arena, (struct str){text, (size_t)n});
}

/* ---- clients --------------------------------------------------------------------------------- */

static bool several_listeners(const struct learned *learned)
{
    for (size_t i = 1; i < learned->who_count; i++)
        if (!str_eq(learned->who[i].listener, learned->who[0].listener))
            return true;
    return false;
}

/* Do they stand in one entry: the same role, known in the same way at the same place? */
static bool same_entry(const struct learn_who *a, const struct learn_who *b)
{
    return a->role == b->role && a->trait == b->trait && str_eq(a->more, b->more) &&
           str_eq(a->listener, b->listener);
}

/* The first one of its entry stands for all of them. */
static bool is_first(const struct learned *learned, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (same_entry(&learned->who[i], &learned->who[at]))
            return false;
    return true;
}

static void write_value(struct json_out *out, const struct learn_who *who, struct str text)
{
    if (who->trait == LEARN_UID) {
        int64_t uid = 0;
        str_to_int(text, &uid);
        json_out_int(out, uid);
    } else {
        json_out_str(out, text);
    }
}

static void write_values(const struct learned *learned, size_t first, struct json_out *out)
{
    const struct learn_who *who = &learned->who[first];
    size_t count = 0;
    for (size_t i = first; i < learned->who_count; i++)
        count += same_entry(&learned->who[i], who);
    if (count > 1)
        json_out_open(out, '[');
    for (size_t i = first; i < learned->who_count; i++)
        if (same_entry(&learned->who[i], who))
            write_value(out, who, learned->who[i].value);
    if (count > 1)
        json_out_close(out, ']');
}

static void write_match(const struct learned *learned, size_t first, struct json_out *out)
{
    static const char *const keys[LEARN_TRAITS] = {[LEARN_CERT_CN] = "cert_cn",
                                                   [LEARN_COMPOSE] = "compose_service",
                                                   [LEARN_CONTAINER] = "container_name",
                                                   [LEARN_UID] = "uid",
                                                   [LEARN_ADDRESS] = "address"};
    const struct learn_who *who = &learned->who[first];
    json_out_key(out, "match");
    json_out_open(out, '{');
    if (keys[who->trait]) {
        json_out_key(out, keys[who->trait]);
        write_values(learned, first, out);
    }
    if (who->trait == LEARN_COMPOSE) {
        json_out_key(out, "compose_project");
        write_value(out, who, who->more);
    }
    if (who->trait == LEARN_LISTENER || several_listeners(learned))
        json_out_member(out, "listener", who->listener);
    json_out_close(out, '}');
}

/* Names of entries differ; names of roles hold no '/'. */
static void write_entry_name(struct str role, unsigned number, struct json_out *out)
{
    char name[LEARN_NAME_MAX + 64];
    int n = snprintf(name, sizeof(name), number > 1 ? "%.*s/%u" : "%.*s", STR_ARG(role), number);
    json_out_member(out, "name", (struct str){name, (size_t)n});
}

static void tell_who(const struct learn_who *who, struct told *told)
{
    static const char *const words[LEARN_TRAITS] = {
        [LEARN_CERT_CN] = "certificate ", [LEARN_COMPOSE] = "compose service ",
        [LEARN_CONTAINER] = "container ", [LEARN_UID] = "uid ",
        [LEARN_ADDRESS] = "address ",     [LEARN_LISTENER] = "anybody"};
    char value[128], listener[160];
    learn_tell(told, "%s%s%s%s on %s: %llu %s", told->n ? "; " : "", words[who->trait],
               text_shorten(value, sizeof(value), who->value), who->more.n ? " of a project" : "",
               text_shorten(listener, sizeof(listener), who->listener),
               (unsigned long long)who->count, learn_times(who->count));
}

static void write_entry(const struct learned *learned, size_t first, struct str role,
                        unsigned number, struct json_out *out)
{
    struct told told = {.n = 0};
    for (size_t i = first; i < learned->who_count; i++)
        if (same_entry(&learned->who[i], &learned->who[first]))
            tell_who(&learned->who[i], &told);
    json_out_open(out, '{');
    learn_write_told(&told, out);
    write_entry_name(role, number, out);
    write_match(learned, first, out);
    json_out_member(out, "role", role);
    json_out_close(out, '}');
}

/* The surest trait first, since the first entry that matches wins. */
void learn_write_clients(const struct learned *learned, const struct str *names,
                         struct json_out *out)
{
    unsigned numbers[LEARN_ROLES_MAX] = {0};
    json_out_key(out, "clients");
    json_out_open(out, '[');
    for (unsigned trait = 0; trait < LEARN_TRAITS; trait++)
        for (size_t i = 0; i < learned->who_count; i++) {
            size_t role = learned->who[i].role;
            if (learned->who[i].trait == (enum learn_trait)trait && is_first(learned, i))
                write_entry(learned, i, names[role], ++numbers[role], out);
        }
    json_out_close(out, ']');
}
