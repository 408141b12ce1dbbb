/*
 * The certificates of the listeners: a CA that is new at each start, a certificate that it signed,
 * and a self-signed one.
 */
#ifndef STANDIN_CA_H
#define STANDIN_CA_H

struct certificate {
    char *certificate_pem;
    char *key_pem;
    char *sha256; /* of the certificate, in hexadecimal */
};

enum certificate_kind {
    CERTIFICATE_NONE,      /* plain HTTP; both texts are NULL */
    CERTIFICATE_TRUSTED,   /* for localhost, standin.test and 127.0.0.1, signed by the CA */
    CERTIFICATE_UNTRUSTED, /* for the same names, signed by itself */
    CERTIFICATES,
};

struct ca {
    char *ca_pem;
    struct certificate certificates[CERTIFICATES];
};

/* Returns 0, or -EIO when OpenSSL fails. */
int ca_init(struct ca *ca);
void ca_done(struct ca *ca);

#endif
