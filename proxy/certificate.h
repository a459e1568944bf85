/* What a verified certificate says of its owner, as the policy and the audit line want it. */
#ifndef PROXY_CERTIFICATE_H
#define PROXY_CERTIFICATE_H

#include "base.h"

#include <openssl/x509.h>

enum { CERTIFICATE_SANS_MAX = 64 };

/* One piece of memory; what the certificate does not have is empty (p NULL). */
struct certificate {
    struct str subject; /* RFC 2253: "CN=alice,OU=ops" */
    struct str cn;
    struct str ou;    /* the first */
    struct str spki;  /* "sha256:" and 64 hex digits */
    struct str *sans; /* "DNS:ci.example.com", "URI:...", "IP:...", "email:..." */
    size_t san_count;
};

/* NULL with a reason (static) when no one name can be made of it, or when out of memory. Names with
   control characters are left out. The caller frees it. */
struct certificate *certificate_read(const X509 *cert, const char **why);

#endif
