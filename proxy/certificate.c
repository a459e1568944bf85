/* Names of a certificate; see certificate.h. A name that somebody could read in two ways is none.
 */
#include "certificate.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 8 << 10, SUBJECT_MAX = 1024 };

/* While it is being read: texts lie one behind the other. */
struct draft {
    struct certificate names;
    struct str sans[CERTIFICATE_SANS_MAX];
    char text[TEXT_MAX];
    size_t used;
    const char *why; /* the first reason not to take it */
};

static struct str keep(struct draft *draft, const char *prefix, struct str text)
{
    size_t n = strlen(prefix);
    if (sizeof(draft->text) - draft->used < n + text.n) {
        draft->why = "the client's certificate has too many or too long names";
        return (struct str){NULL, 0};
    }
    char *p = draft->text + draft->used;
    memcpy(p, prefix, n);
    if (text.n)
        memcpy(p + n, text.p, text.n);
    draft->used += n + text.n;
    return (struct str){p, n + text.n};
}

/* No control characters, of ASCII or of U+0080 to U+009F. */
static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        unsigned char next = i + 1 < text.n ? (unsigned char)text.p[i + 1] : 0;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next >= 0x80 && next < 0xa0))
            return false;
    }
    return text.n > 0;
}

/* ---- subject ------------------------------------------------------------------------------- */

static struct str read_entry(struct draft *draft, const X509_NAME *name, int at)
{
    struct str out = {NULL, 0};
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    struct str text = {(const char *)utf8, n > 0 ? (size_t)n : 0};
    if (n < 0)
        draft->why = "the client's certificate has a name that is not text";
    else if (text.n && memchr(text.p, '\0', text.n))
        draft->why = "the client's certificate has a NUL in its name";
    else if (is_plain(text))
        out = keep(draft, "", text);
    OPENSSL_free(utf8);
    return out;
}

/* Programs differ in which of several common names they take. */
static void read_subject(struct draft *draft, const X509 *cert)
{
    const X509_NAME *name = X509_get_subject_name(cert);
    int cn = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    int ou = X509_NAME_get_index_by_NID(name, NID_organizationalUnitName, -1);
    if (cn >= 0 && X509_NAME_get_index_by_NID(name, NID_commonName, cn) >= 0)
        draft->why = "the client's certificate has more than one common name";
    if (cn >= 0)
        draft->names.cn = read_entry(draft, name, cn);
    if (ou >= 0)
        draft->names.ou = read_entry(draft, name, ou);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
        long n = BIO_get_mem_data(bio, &text);
        draft->names.subject =
            keep(draft, "", str_head((struct str){text, (size_t)n}, SUBJECT_MAX));
    }
    BIO_free(bio);
}

/* ---- alternative names --------------------------------------------------------------------- */

static struct str ia5(const ASN1_STRING *string)
{
    struct str text = {(const char *)ASN1_STRING_get0_data(string),
                       (size_t)ASN1_STRING_length(string)};
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] > 0x7e)
            return (struct str){NULL, 0};
    return text;
}

static void add_san(struct draft *draft, const char *prefix, struct str text)
{
    if (!is_plain(text))
        return;
    if (draft->names.san_count == CERTIFICATE_SANS_MAX) {
        draft->why = "the client's certificate has too many or too long names";
        return;
    }
    draft->sans[draft->names.san_count++] = keep(draft, prefix, text);
}

static void add_address(struct draft *draft, const ASN1_OCTET_STRING *bytes)
{
    char text[INET6_ADDRSTRLEN];
    int n = ASN1_STRING_length(bytes);
    if ((n == 4 || n == 16) &&
        inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof(text)))
        add_san(draft, "IP:", str_of(text));
}

static void read_sans(struct draft *draft, const X509 *cert)
{
    int critical = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);
    if (!names && critical != -1)
        draft->why = "the client's certificate has alternative names that cannot be read";
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int kind = 0;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        if (kind == GEN_DNS)
            add_san(draft, "DNS:", ia5(value));
        else if (kind == GEN_URI)
            add_san(draft, "URI:", ia5(value));
        else if (kind == GEN_EMAIL)
            add_san(draft, "email:", ia5(value));
        else if (kind == GEN_IPADD)
            add_address(draft, value);
    }
    GENERAL_NAMES_free(names);
}

/* ---- key ----------------------------------------------------------------------------------- */

static void read_key(struct draft *draft, const X509 *cert)
{
    unsigned char *der = NULL, digest[32];
    char hex[2 * sizeof(digest) + 1];
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    if (n > 0 && EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)n, digest, NULL) == 1) {
        for (size_t i = 0; i < sizeof(digest); i++)
            snprintf(hex + 2 * i, 3, "%02x", digest[i]);
        draft->names.spki = keep(draft, "sha256:", str_of(hex));
    } else {
        draft->why = "the client's certificate has a key that cannot be read";
    }
    OPENSSL_free(der);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static struct str moved(struct str text, const struct draft *draft, const char *to)
{
    return (struct str){text.p ? to + (text.p - draft->text) : NULL, text.n};
}

static struct certificate *pack(const struct draft *draft)
{
    size_t sans = draft->names.san_count * sizeof(struct str);
    struct certificate *out = malloc(sizeof(*out) + sans + draft->used);
    if (!out)
        return NULL;
    *out = draft->names;
    out->sans = (struct str *)(void *)(out + 1);
    char *text = (char *)(out + 1) + sans;
    memcpy(text, draft->text, draft->used);
    for (size_t i = 0; i < out->san_count; i++)
        out->sans[i] = moved(draft->sans[i], draft, text);
    out->subject = moved(out->subject, draft, text);
    out->cn = moved(out->cn, draft, text);
    out->ou = moved(out->ou, draft, text);
    out->spki = moved(out->spki, draft, text);
    return out;
}

struct certificate *certificate_read(const X509 *cert, const char **why)
{
    struct draft *draft = calloc(1, sizeof(*draft));
    struct certificate *out = NULL;
    *why = "out of memory";
    if (!draft)
        return NULL;
    read_subject(draft, cert);
    read_sans(draft, cert);
    read_key(draft, cert);
    if (draft->why)
        *why = draft->why;
    else
        out = pack(draft);
    free(draft);
    return out;
}
