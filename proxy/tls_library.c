/* OpenSSL 3.0 and 3.1 look for the decoder of a certificate's public key anew each time, among the
   decoders of all formats and all kinds of keys: a fifth of what a handshake costs, for each
   certificate. In this library context there are only those that a client's certificate may need,
   which halves it. All else is the default provider's, which a provider of our own passes on. No
   algorithm is ours. */
#include "tls_library.h"

#include "base.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <pthread.h>

enum { CHOSEN_MAX = 16 };

static OSSL_PROVIDER *original;
static OSSL_LIB_CTX *library;

/* What the decoder of a key is looked for among. */
static struct chosen {
    int operation;
    const char *properties;                    /* that it must have in its definition */
    const char *const kinds[8];                /* the first of its names */
    OSSL_ALGORITHM algorithms[CHOSEN_MAX + 1]; /* ends with an empty one */
} chosen[] = {
    {OSSL_OP_DECODER,
     "input=der,structure=SubjectPublicKeyInfo",
     {"EC", "RSA", "RSA-PSS", "ED25519", "ED448"},
     {{NULL, NULL, NULL, NULL}}},
};

/* ---- the provider -------------------------------------------------------------------------- */

static const OSSL_ALGORITHM *query(void *context, int operation, int *no_cache)
{
    (void)context;
    for (size_t i = 0; i < ARRAY_LEN(chosen); i++)
        if (chosen[i].operation == operation) {
            *no_cache = 0;
            return chosen[i].algorithms;
        }
    return OSSL_PROVIDER_query_operation(original, operation, no_cache);
}

static int get_capabilities(void *context, const char *capability, OSSL_CALLBACK *callback,
                            void *arg)
{
    (void)context;
    return OSSL_PROVIDER_get_capabilities(original, capability, callback, arg);
}

static const OSSL_PARAM *gettable_params(void *context)
{
    (void)context;
    return OSSL_PROVIDER_gettable_params(original);
}

static int get_params(void *context, OSSL_PARAM params[])
{
    (void)context;
    return OSSL_PROVIDER_get_params(original, params);
}

/* The algorithms are given the context that they know. */
static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                void **context)
{
    static const OSSL_DISPATCH functions[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))get_capabilities},
        {OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))gettable_params},
        {OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))get_params},
        {0, NULL}};
    (void)handle;
    (void)in;
    *out = functions;
    *context = OSSL_PROVIDER_get0_provider_ctx(original);
    return 1;
}

/* ---- the context --------------------------------------------------------------------------- */

static int is_default(OSSL_PROVIDER *provider, void *arg)
{
    (void)arg;
    return strcmp(OSSL_PROVIDER_get0_name(provider), "default") == 0;
}

/* Where somebody has chosen providers or properties (FIPS), his choice stands. */
static bool is_needed(void)
{
    return OPENSSL_version_major() == 3 && OPENSSL_version_minor() < 2 &&
           OPENSSL_init_ssl(0, NULL) == 1 && OSSL_PROVIDER_do_all(NULL, is_default, NULL) == 1 &&
           EVP_default_properties_is_fips_enabled(NULL) == 0;
}

static bool is_wanted(const struct chosen *of, const OSSL_ALGORITHM *algorithm)
{
    struct str name = str_of(algorithm->algorithm_names);
    const char *end = memchr(name.p, ':', name.n);
    if (end)
        name.n = (size_t)(end - name.p);
    if (!strstr(algorithm->property_definition, of->properties))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(of->kinds) && of->kinds[i]; i++)
        if (str_is(name, of->kinds[i]))
            return true;
    return false;
}

/* False: this provider is not built as we know it. */
static bool choose(struct chosen *of)
{
    int no_cache = 0;
    size_t count = 0;
    const OSSL_ALGORITHM *all = OSSL_PROVIDER_query_operation(original, of->operation, &no_cache);
    for (; all && all->algorithm_names; all++) {
        if (!is_wanted(of, all))
            continue;
        if (count == CHOSEN_MAX)
            return false;
        of->algorithms[count++] = *all;
    }
    return count > 0 && no_cache == 0;
}

static void make_library(void)
{
    if (!is_needed())
        return;
    original = OSSL_PROVIDER_try_load(NULL, "default", 1);
    bool ok = original;
    for (size_t i = 0; i < ARRAY_LEN(chosen) && ok; i++)
        ok = choose(&chosen[i]);
    library = ok ? OSSL_LIB_CTX_new() : NULL;
    if (library && (OSSL_PROVIDER_add_builtin(library, "sockwarden", init) != 1 ||
                    !OSSL_PROVIDER_load(library, "sockwarden"))) {
        OSSL_LIB_CTX_free(library);
        library = NULL;
    }
    ERR_clear_error();
}

OSSL_LIB_CTX *tls_library(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_library);
    return library;
}
