/* Keys and certificates as PEM (RFC 7468). The caller frees what these return. */
#ifndef STANDIN_PEM_H
#define STANDIN_PEM_H

#include <openssl/types.h>

char *pem_of_certificate(X509 *certificate);
char *sha256_of_certificate(X509 *certificate); /* of its DER, in hexadecimal */
char *pem_of_private_key(EVP_PKEY *pair);
char *pem_of_public_key(EVP_PKEY *pair);

#endif
