#include "standin/ca.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

#include "standin/encoding.h"
#include "standin/memory.h"
#include "standin/pem.h"

#define DAY_S          (24 * 60 * 60)
#define VALID_BEFORE_S (30 * DAY_S) /* some tests set the clock back */
#define VALID_AFTER_S  (3650L * DAY_S)

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(X509 *, X509_free)

struct certificate_spec {
    const char *common_name;
    const char *alternative_names; /* NULL for a CA */
    EVP_PKEY *pair;
    X509 *issuer; /* NULL for a self-signed certificate */
    EVP_PKEY *issuer_pair;
};

static int add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    int added;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!extension)
        return -EIO;
    added = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added == 1 ? 0 : -EIO;
}

/* RFC 5280, section 4.2. Strict verifiers require the key identifiers. */
static int add_extensions(X509 *certificate, const struct certificate_spec *spec)
{
    bool is_ca = !spec->alternative_names;
    X509 *issuer = spec->issuer ? spec->issuer : certificate;

    if (add_extension(certificate, issuer, NID_basic_constraints,
                      is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") < 0 ||
        add_extension(certificate, issuer, NID_key_usage,
                      is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") < 0 ||
        add_extension(certificate, issuer, NID_subject_key_identifier, "hash") < 0)
        return -EIO;
    if (spec->issuer &&
        add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always") < 0)
        return -EIO;
    if (is_ca)
        return 0;
    if (add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth") < 0)
        return -EIO;
    return add_extension(certificate, issuer, NID_subject_alt_name, spec->alternative_names);
}

static int certificate_make(const struct certificate_spec *spec, X509 **ret_certificate)
{
    CLEANUP(X509_freep) X509 *certificate = must(X509_new());
    X509_NAME *name = X509_get_subject_name(certificate);
    uint8_t serial[16];
    BIGNUM *number;

    random_bytes(serial, sizeof(serial));
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and of constant length */
    number = must(BN_bin2bn(serial, sizeof(serial), NULL));
    must(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)));
    BN_free(number);
    if (X509_set_version(certificate, X509_VERSION_3) != 1 ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                   (const unsigned char *)spec->common_name, -1, -1, 0) != 1 ||
        X509_set_issuer_name(certificate,
                             spec->issuer ? X509_get_subject_name(spec->issuer) : name) != 1 ||
        X509_set_pubkey(certificate, spec->pair) != 1)
        return -EIO;
    X509_gmtime_adj(X509_getm_notBefore(certificate), -VALID_BEFORE_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_AFTER_S);
    if (add_extensions(certificate, spec) < 0 ||
        X509_sign(certificate, spec->issuer_pair, EVP_sha256()) == 0)
        return -EIO;
    *ret_certificate = TAKE_PTR(certificate);
    return 0;
}

/* Makes a certificate for localhost, signed by @issuer, or self-signed when @issuer is NULL. */
static int leaf_make(X509 *issuer, EVP_PKEY *issuer_pair, struct certificate *ret_leaf)
{
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *pair = must(EVP_EC_gen("P-256"));
    CLEANUP(X509_freep) X509 *certificate = NULL;
    struct certificate_spec spec = {
        .common_name = "localhost",
        .alternative_names = "DNS:localhost,DNS:standin.test,IP:127.0.0.1",
        .pair = pair,
        .issuer = issuer,
        .issuer_pair = issuer ? issuer_pair : pair,
    };

    if (certificate_make(&spec, &certificate) < 0)
        return -EIO;
    ret_leaf->certificate_pem = pem_of_certificate(certificate);
    ret_leaf->sha256 = sha256_of_certificate(certificate);
    ret_leaf->key_pem = pem_of_private_key(pair);
    return 0;
}

int ca_init(struct ca *ca)
{
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *pair = must(EVP_EC_gen("P-256"));
    CLEANUP(X509_freep) X509 *certificate = NULL;
    struct certificate_spec spec = {
        .common_name = "podlogin-standin CA",
        .pair = pair,
        .issuer_pair = pair,
    };

    if (certificate_make(&spec, &certificate) < 0)
        return -EIO;
    ca->ca_pem = pem_of_certificate(certificate);
    if (leaf_make(certificate, pair, &ca->certificates[CERTIFICATE_TRUSTED]) < 0)
        return -EIO;
    return leaf_make(NULL, NULL, &ca->certificates[CERTIFICATE_UNTRUSTED]);
}

void ca_done(struct ca *ca)
{
    free(ca->ca_pem);
    for (size_t i = 0; i < CERTIFICATES; i++) {
        free(ca->certificates[i].certificate_pem);
        free(ca->certificates[i].key_pem);
        free(ca->certificates[i].sha256);
    }
}
