/* The certificates the listeners show: a CA made at start, its leaf, and one that nobody signed. */
#ifndef STANDIN_CA_H
#define STANDIN_CA_H

struct certificate {
    char *certificate_pem;
    char *key_pem;
};

struct ca {
    char *ca_pem;
    struct certificate trusted;   /* for localhost and 127.0.0.1, signed by the CA */
    struct certificate untrusted; /* for the same names, signed by itself */
};

/* Returns 0, or -EIO when OpenSSL refuses. */
int ca_init(struct ca *ca);
void ca_done(struct ca *ca);

#endif
