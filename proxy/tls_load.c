/* The files of a TLS context. What would only show when the first client comes is an error here. */
#include "tls_load.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECONDS_PER_DAY = 86400, WARN_DAYS = 30, PEM_FILE_MAX = 16 << 20 };

static void close_bio(BIO **bio)
{
    BIO_free_all(*bio);
}

static void free_x509(X509 **cert)
{
    X509_free(*cert);
}

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

time_t tls_time(const ASN1_TIME *when)
{
    struct tm tm;
    if (!when || ASN1_TIME_to_tm(when, &tm) != 1)
        return 0;
    return timegm(&tm);
}

const char *tls_error(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "unknown reason";
}

static const char *day_text(time_t when, char dst[32])
{
    struct tm tm;
    if (!gmtime_r(&when, &tm) || strftime(dst, 32, "%Y-%m-%d", &tm) == 0)
        dst[0] = '\0';
    return dst;
}

/* ---- files --------------------------------------------------------------------------------- */

/* A key that others can read, or any of the files that others can write, is nobody's. */
static bool check_file(const char *option, const char *path, int fd, bool secret, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_set(err, 0, 0, "%s %s: %s", option, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, 0, 0, "%s %s is not a file", option, path);
    if (st.st_size > PEM_FILE_MAX)
        return err_set(err, 0, 0, "%s %s is larger than %d bytes", option, path, PEM_FILE_MAX);
    if (secret && (st.st_mode & 077))
        return err_set(err, 0, 0,
                       "%s %s can be read by group or others (mode %04o): chmod 600 %s; where that "
                       "was so for long, make a new key",
                       option, path, (unsigned)(st.st_mode & 07777), path);
    if (st.st_mode & 022)
        return err_set(err, 0, 0,
                       "%s %s can be written by group or others (mode %04o): chmod go-w %s", option,
                       path, (unsigned)(st.st_mode & 07777), path);
    return true;
}

/* All of the file, into memory that OpenSSL wipes when it frees it. */
static bool read_whole(int fd, BIO *bio)
{
    char part[4096];
    ssize_t n = 0;
    size_t total = 0;
    do {
        n = read(fd, part, sizeof(part));
        total += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && total <= PEM_FILE_MAX && BIO_write(bio, part, (int)n) == n) ||
             (n < 0 && errno == EINTR));
    OPENSSL_cleanse(part, sizeof(part));
    return n == 0;
}

static bool add_digest(struct tls_context *context, BIO *bio)
{
    char *p = NULL;
    long n = BIO_get_mem_data(bio, &p);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && n >= 0 && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(md, context->digest, sizeof(context->digest)) == 1 &&
              EVP_DigestUpdate(md, p, (size_t)n) == 1 &&
              EVP_DigestFinal_ex(md, context->digest, NULL) == 1;
    EVP_MD_CTX_free(md);
    return ok;
}

static BIO *open_pem(struct tls_context *context, const char *option, const char *path, bool secret,
                     struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        err_set(err, 0, 0, "cannot read %s %s: %s", option, path, strerror(errno));
        return NULL;
    }
    AUTO(close_bio) BIO *bio = BIO_new(BIO_s_mem());
    bool ok = check_file(option, path, fd, secret, err);
    if (ok && bio && !read_whole(fd, bio))
        ok = err_set(err, 0, 0, "cannot read %s %s: %s", option, path, strerror(errno));
    close(fd);
    if (ok && (!bio || !add_digest(context, bio)))
        ok = err_set(err, 0, 0, "out of memory");
    if (!ok)
        return NULL;
    BIO *whole = bio;
    BIO_set_mem_eof_return(whole, 0);
    bio = NULL; /* the caller's */
    return whole;
}

/* The last read found nothing: was that the end, or something broken? */
static bool at_end(void)
{
    unsigned long error = ERR_peek_last_error();
    bool end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    if (end)
        ERR_clear_error();
    return end;
}

/* ---- certificate and key of the server ----------------------------------------------------- */

static bool check_server(X509 *cert, const char *path, struct err *err)
{
    char day[32];
    time_t now = time(NULL), end = tls_time(X509_get0_notAfter(cert));
    if (end <= now)
        return err_set(err, 0, 0,
                       "--tlscert %s: the certificate has expired on %s; give a new one (see "
                       "certs-example/make-certs.sh)",
                       path, day_text(end, day));
    if (tls_time(X509_get0_notBefore(cert)) > now)
        return err_set(err, 0, 0,
                       "--tlscert %s: the certificate is not valid before %s; look at the clock "
                       "of this machine",
                       path, day_text(tls_time(X509_get0_notBefore(cert)), day));
    if (X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0) != 1)
        return err_set(err, 0, 0,
                       "--tlscert %s: the certificate is not for servers (its extended key usage "
                       "has no serverAuth), so every client would refuse it",
                       path);
    if (end - now < (time_t)WARN_DAYS * SECONDS_PER_DAY)
        log_warn("--tlscert %s: the certificate expires on %s, in %d days", path,
                 day_text(end, day), (int)((end - now) / SECONDS_PER_DAY));
    if (X509_get_ext_by_NID(cert, NID_subject_alt_name, -1) < 0)
        log_warn("--tlscert %s: the certificate has no subjectAltName, and docker refuses one "
                 "without the host's name or address there",
                 path);
    return true;
}

bool tls_load_certificate(struct tls_context *context, const char *path, struct err *err)
{
    AUTO(close_bio) BIO *bio = open_pem(context, "--tlscert", path, false, err);
    if (!bio)
        return false;
    AUTO(free_x509) X509 *cert = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (!cert)
        return err_set(err, 0, 0, "--tlscert %s holds no certificate in PEM (%s)", path,
                       tls_error());
    if (!check_server(cert, path, err))
        return false;
    if (SSL_CTX_use_certificate(context->ctx, cert) != 1)
        return err_set(err, 0, 0, "--tlscert %s cannot be used: %s", path, tls_error());
    for (;;) {
        AUTO(free_x509) X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!next)
            return at_end() ||
                   err_set(err, 0, 0, "--tlscert %s: a certificate of its chain is broken (%s)",
                           path, tls_error());
        if (SSL_CTX_add1_chain_cert(context->ctx, next) != 1)
            return err_set(err, 0, 0, "--tlscert %s: a certificate of its chain cannot be used: %s",
                           path, tls_error());
    }
}

/* Nobody is there to be asked for a passphrase. */
static int on_passphrase(char *dst, int cap, int writing, void *arg)
{
    (void)dst;
    (void)cap;
    (void)writing;
    *(bool *)arg = true;
    return -1;
}

bool tls_load_key(struct tls_context *context, const char *path, const char *cert, struct err *err)
{
    bool encrypted = false;
    AUTO(close_bio) BIO *bio = open_pem(context, "--tlskey", path, true, err);
    if (!bio)
        return false;
    AUTO(free_key) EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &encrypted);
    if (encrypted)
        return err_set(err, 0, 0,
                       "--tlskey %s is encrypted, and nobody is there to be asked for the "
                       "passphrase: (umask 077; openssl pkey -in %s -out PLAIN), and give PLAIN",
                       path, path);
    if (!key)
        return err_set(err, 0, 0, "--tlskey %s holds no private key in PEM (%s)", path,
                       tls_error());
    if (X509_check_private_key(SSL_CTX_get0_certificate(context->ctx), key) != 1)
        return err_set(err, 0, 0,
                       "--tlskey %s does not belong to the certificate in --tlscert %s; the "
                       "certificate must stand first in that file",
                       path, cert);
    return SSL_CTX_use_PrivateKey(context->ctx, key) == 1 ||
           err_set(err, 0, 0, "--tlskey %s cannot be used: %s", path, tls_error());
}

/* ---- the clients' authorities -------------------------------------------------------------- */

static bool add_ca(struct tls_context *context, X509 *cert, const char *path, struct err *err)
{
    char subject[256], day[32];
    X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof(subject));
    if (X509_check_ca(cert) == 0)
        return err_set(err, 0, 0,
                       "--tlscacert %s: %.200s is no CA; give the certificate that signs the "
                       "clients' ones",
                       path, subject);
    time_t end = tls_time(X509_get0_notAfter(cert));
    if (end - time(NULL) < (time_t)WARN_DAYS * SECONDS_PER_DAY)
        log_warn("--tlscacert %s: %.200s expires on %s; from then on its clients are refused", path,
                 subject, day_text(end, day));
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context->ctx), cert) != 1 ||
        SSL_CTX_add_client_CA(context->ctx, cert) != 1)
        return err_set(err, 0, 0, "--tlscacert %s cannot be used: %s", path, tls_error());
    return true;
}

bool tls_load_cas(struct tls_context *context, const char *path, struct err *err)
{
    AUTO(close_bio) BIO *bio = open_pem(context, "--tlscacert", path, false, err);
    if (!bio)
        return false;
    for (size_t count = 0;; count++) {
        AUTO(free_x509) X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!cert && count > 0 && at_end())
            return true;
        if (!cert)
            return err_set(err, 0, 0, "--tlscacert %s: %s (%s)", path,
                           count ? "one of its certificates is broken"
                                 : "it holds no certificate in PEM",
                           tls_error());
        if (!add_ca(context, cert, path, err))
            return false;
    }
}

static bool add_crl(struct tls_context *context, X509_CRL *crl, const char *path, struct err *err)
{
    char day[32];
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    time_t end = next ? tls_time(next) : context->crl_until;
    if (end <= time(NULL))
        log_warn("--tlscrl %s: a list has expired on %s, so clients of its CA are refused; fetch "
                 "a new one",
                 path, day_text(end, day));
    context->crl_until = end < context->crl_until ? end : context->crl_until;
    return X509_STORE_add_crl(SSL_CTX_get_cert_store(context->ctx), crl) == 1 ||
           err_set(err, 0, 0, "--tlscrl %s cannot be used: %s", path, tls_error());
}

bool tls_load_crls(struct tls_context *context, const char *path, struct err *err)
{
    AUTO(close_bio) BIO *bio = open_pem(context, "--tlscrl", path, false, err);
    if (!bio)
        return false;
    for (size_t count = 0;; count++) {
        X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
        if (!crl && count > 0 && at_end())
            return true;
        if (!crl)
            return err_set(err, 0, 0, "--tlscrl %s: %s (%s)", path,
                           count ? "one of its revocation lists is broken"
                                 : "it holds no revocation list in PEM",
                           tls_error());
        bool ok = add_crl(context, crl, path, err);
        X509_CRL_free(crl);
        if (!ok)
            return false;
    }
}
