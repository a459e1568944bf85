/* The library context of TLS reads the keys that clients may have, and gives way to a machine's own
   choice of providers. */
#include "tls_library.h"

#include "base.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void write_config(const char *path, const char *providers)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "openssl_conf = all\n[all]\nproviders = list\n[list]\n%s\n[one]\nactivate = 1\n",
            providers);
    assert_int_equal(fclose(file), 0);
}

static bool is_replaced(const char *config)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("OPENSSL_CONF", config, 1);
        _exit(tls_library() ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

/* In children, before this process has begun to use OpenSSL. */
static void test_configured(void **state)
{
    static const struct {
        const char *providers;
        bool replaced; /* where OpenSSL needs it at all */
    } rows[] = {
        {"default = one", true},
        {"default = one\nbase = one", false},
        {"base = one", false},
    };
    (void)state;
    char path[] = "/tmp/tls-library-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    bool needed = OPENSSL_version_major() == 3 && OPENSSL_version_minor() < 2;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_config(path, rows[i].providers);
        assert_int_equal(is_replaced(path), needed && rows[i].replaced);
    }
    unlink(path);
}

static EVP_PKEY *key_new(const char *type, const char *curve)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    assert_non_null(ctx);
    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    if (curve)
        assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, curve), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* DER of a certificate of this key, signed by itself. */
static int certificate_der(EVP_PKEY *key, const EVP_MD *digest, unsigned char **der)
{
    X509 *cert = X509_new();
    assert_non_null(cert);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    assert_true(X509_sign(cert, key, digest) > 0);
    *der = NULL;
    int n = i2d_X509(cert, der);
    assert_true(n > 0);
    X509_free(cert);
    return n;
}

/* As libssl reads what a client sends. */
static void test_keys(void **state)
{
    static const struct {
        const char *type, *curve;
        bool digest; /* the signature takes one */
    } rows[] = {
        {"EC", "P-256", true},  {"EC", "P-384", true},   {"EC", "P-521", true},
        {"RSA", NULL, true},    {"RSA-PSS", NULL, true}, {"ED25519", NULL, false},
        {"ED448", NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        EVP_PKEY *key = key_new(rows[i].type, rows[i].curve);
        unsigned char *der;
        int n = certificate_der(key, rows[i].digest ? EVP_sha256() : NULL, &der);
        const unsigned char *p = der;
        X509 *cert = X509_new_ex(tls_library(), NULL);
        assert_non_null(d2i_X509(&cert, &p, n));
        EVP_PKEY *read = X509_get0_pubkey(cert);
        assert_non_null(read);
        assert_int_equal(EVP_PKEY_eq(read, key), 1);
        assert_int_equal(X509_verify(cert, read), 1);
        X509_free(cert);
        OPENSSL_free(der);
        EVP_PKEY_free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configured),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
