/*
 * The bare verification: what OpenSSL takes for one RS256 signature of a JWT's length, with a key
 * and contexts that are kept. Whatever checks JWTs cannot take less.
 *
 *   bench-verify JWT-FILE N    prints {"us": ...}, the CPU time of each of N verifications
 */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_BITS 2048
#define TEXT_MAX 16384

struct verification {
    EVP_PKEY_CTX *ctx;
    EVP_MD *sha256;
    uint8_t signature[KEY_BITS / 8];
    size_t signature_len;
    char text[TEXT_MAX];
    size_t len;
};

static int fail(const char *what)
{
    fprintf(stderr, "bench-verify: %s\n", what);
    return EXIT_FAILURE;
}

/* What is signed: the first JWT of the file up to its second dot. */
static int read_text(struct verification *verification, const char *path)
{
    FILE *file = fopen(path, "re");
    char *dot = NULL;

    if (!file)
        return -1;
    if (fgets(verification->text, sizeof(verification->text), file))
        dot = strrchr(verification->text, '.');
    fclose(file);
    verification->len = dot ? (size_t)(dot - verification->text) : 0;
    return dot ? 0 : -1;
}

static int digest(struct verification *verification, uint8_t ret_digest[EVP_MAX_MD_SIZE],
                  unsigned *ret_len)
{
    return EVP_Digest(verification->text, verification->len, ret_digest, ret_len,
                      verification->sha256, NULL);
}

/* Signs the text with a key of its own: the time to verify does not depend on which one. */
static int sign(struct verification *verification, EVP_PKEY *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len;
    int r;

    verification->signature_len = sizeof(verification->signature);
    r = ctx && EVP_PKEY_sign_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(ctx, verification->sha256) == 1 &&
        digest(verification, hash, &len) == 1 &&
        EVP_PKEY_sign(ctx, verification->signature, &verification->signature_len, hash, len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return r ? 0 : -1;
}

static int prepare(struct verification *verification)
{
    EVP_PKEY *key = EVP_RSA_gen(KEY_BITS);
    int r;

    verification->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    verification->ctx = key ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    r = verification->sha256 && verification->ctx && sign(verification, key) == 0 &&
                EVP_PKEY_verify_init(verification->ctx) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(verification->ctx, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(verification->ctx, verification->sha256) == 1
            ? 0
            : -1;
    EVP_PKEY_free(key);
    return r;
}

static int verify(struct verification *verification)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned len;

    return digest(verification, hash, &len) == 1 &&
                   EVP_PKEY_verify(verification->ctx, verification->signature,
                                   verification->signature_len, hash, len) == 1
               ? 0
               : -1;
}

static double cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
    static struct verification verification;
    unsigned long n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    double begun_us;

    if (n == 0)
        return fail("usage: bench-verify JWT-FILE N");
    if (read_text(&verification, argv[1]) < 0)
        return fail("cannot read a JWT");
    if (prepare(&verification) < 0 || verify(&verification) < 0)
        return fail("OpenSSL cannot sign and verify");
    begun_us = cpu_us();
    for (unsigned long i = 0; i < n; i++)
        if (verify(&verification) < 0)
            return fail("the signature is not valid");
    printf("{\"us\": %.3f}\n", (cpu_us() - begun_us) / (double)n);
    EVP_PKEY_CTX_free(verification.ctx);
    EVP_MD_free(verification.sha256);
    return EXIT_SUCCESS;
}
