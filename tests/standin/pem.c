#include "standin/pem.h"

#include <openssl/pem.h>
#include <string.h>

#include "standin/encoding.h"
#include "standin/memory.h"

/* Takes @bio. */
static char *text_take(BIO *bio, int is_written)
{
    char *start = NULL;
    long len = BIO_get_mem_data(bio, &start);
    char *text = is_written == 1 ? strndup(start, (size_t)len) : NULL;

    BIO_free_all(bio);
    return must(text);
}

char *pem_of_certificate(X509 *certificate)
{
    BIO *bio = must(BIO_new(BIO_s_mem()));

    return text_take(bio, PEM_write_bio_X509(bio, certificate));
}

char *sha256_of_certificate(X509 *certificate)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    return must(X509_digest(certificate, EVP_sha256(), digest, &len) == 1 ? hex_encode(digest, len)
                                                                          : NULL);
}

char *pem_of_private_key(EVP_PKEY *pair)
{
    BIO *bio = must(BIO_new(BIO_s_mem()));

    return text_take(bio, PEM_write_bio_PKCS8PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL));
}

char *pem_of_public_key(EVP_PKEY *pair)
{
    BIO *bio = must(BIO_new(BIO_s_mem()));

    return text_take(bio, PEM_write_bio_PUBKEY(bio, pair));
}
