/* libFuzzer target for image references, addresses, networks, ports and patterns: what is accepted
   is written in its normal form and read again, and must come out the same. */
#include "json.h"
#include "role.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void append(char *dst, size_t *n, struct str text)
{
    if (text.n)
        memcpy(dst + *n, text.p, text.n);
    *n += text.n;
}

/* prefix, name, tag and digest of ref read the same as ref; an ID reads as none. */
static void check_spelling(const char *prefix, struct str name, const struct image_ref *ref,
                           struct arena *arena)
{
    char spelled[32 + 255 + 1 + 128 + 1 + 135];
    size_t n = 0;
    struct image_ref again;
    append(spelled, &n, str_of(prefix));
    append(spelled, &n, name);
    append(spelled, &n, ref->tag.n ? STR(":") : STR(""));
    append(spelled, &n, ref->tag);
    append(spelled, &n, ref->digest.n ? STR("@") : STR(""));
    append(spelled, &n, ref->digest);
    struct str text = {spelled, n};
    if (!image_parse(text, arena, &again))
        must(image_is_id(text));
    else
        must(str_eq(ref->name, again.name) && str_eq(ref->tag, again.tag) &&
             str_eq(ref->digest, again.digest) && str_eq(ref->repository, again.repository));
}

/* The ways to name an image of Docker Hub are one. */
static void check_hub(const struct image_ref *ref, struct arena *arena)
{
    struct str library = STR("library/");
    struct str alone = str_skip(ref->repository, library.n);
    if (!str_is(ref->registry, "docker.io"))
        return;
    check_spelling("docker.io/", ref->repository, ref, arena);
    check_spelling("index.docker.io/", ref->repository, ref, arena);
    if (!str_starts(ref->repository, library) || str_find(alone, '/') < alone.n)
        return;
    check_spelling("", alone, ref, arena);
    check_spelling("docker.io/", alone, ref, arena);
    check_spelling("index.docker.io/", alone, ref, arena);
    check_spelling("library/", alone, ref, arena);
}

/* The normal form is a reference to the same thing. */
static void check_image(struct str text)
{
    struct arena arena = {0};
    struct image_ref ref;
    if (image_parse(text, &arena, &ref)) {
        char normal[255 + 1 + 128 + 1 + 135];
        size_t n = 0;
        must(ref.name.n <= 255 && ref.tag.n <= 128 && ref.digest.n <= 7 + 128);
        append(normal, &n, ref.name);
        append(normal, &n, ref.tag.n ? STR(":") : STR(""));
        append(normal, &n, ref.tag);
        append(normal, &n, ref.digest.n ? STR("@") : STR(""));
        append(normal, &n, ref.digest);
        struct image_ref again;
        must(image_parse((struct str){normal, n}, &arena, &again));
        must(str_eq(ref.name, again.name) && str_eq(ref.tag, again.tag));
        must(str_eq(ref.digest, again.digest) && str_eq(ref.registry, again.registry));
        must(glob_match(ref.name, again.name));
        (void)image_registry_by_address(ref.registry);
        check_hub(&ref, &arena);
    }
    (void)image_is_id(text);
    (void)image_registry_by_address(text);
    arena_free(&arena);
}

static void check_addresses(struct str text)
{
    struct cidr net;
    uint8_t ip[16];
    struct port_range range;
    if (ip_parse(text, ip))
        must(cidr_parse(text, &net) && net.bits == 128 && memcmp(net.ip, ip, 16) == 0);
    if (cidr_parse(text, &net)) {
        struct cidr all = {.bits = 0};
        must(net.bits <= 128 && cidr_holds(&net, &net));
        (void)cidr_holds(&all, &net);
    }
    if (ports_parse(text, &range))
        must(range.first <= range.last);
}

/* The first byte says where pattern and text divide. */
static void check_glob(struct str input)
{
    if (input.n == 0)
        return;
    struct str rest = str_skip(input, 1);
    struct str pattern = str_head(rest, (unsigned char)input.p[0]);
    struct str text = str_skip(rest, pattern.n);
    bool wild = str_find(pattern, '*') < pattern.n || str_find(pattern, '?') < pattern.n;
    bool matches = glob_match(pattern, text);
    must(wild || matches == str_eq(pattern, text));
    must(glob_match(STR("**"), text) && (wild || glob_match(pattern, pattern)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = {(const char *)data, size};
    check_image(input);
    check_addresses(input);
    if (size < 2048)
        check_glob(input);
    return 0;
}
