/* The OpenSSL library context that TLS runs in. It knows nothing of files or connections. */
#ifndef PROXY_TLS_LIBRARY_H
#define PROXY_TLS_LIBRARY_H

#include <openssl/types.h>

/* For SSL_CTX_new_ex(): one that reads the public keys of certificates faster, or NULL, which is
   OpenSSL's own, where that is not needed or the machine's configuration wants other providers than
   the default one. The program keeps it until it ends. Any thread. */
OSSL_LIB_CTX *tls_library(void);

#endif
