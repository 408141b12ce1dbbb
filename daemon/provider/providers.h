/*
 * The table of all providers: the name of Provider=, and that of its halves in C. This is the only
 * place that lists them.
 */
#ifndef PROVIDER_PROVIDERS_H
#define PROVIDER_PROVIDERS_H

#define PROVIDERS(X)                                                                               \
    X("pulumi", pulumi)                                                                            \
    X("aws-sts", aws)                                                                              \
    X("vault", vault)                                                                              \
    X("rfc8693", rfc8693)                                                                          \
    X("azure", azure)                                                                              \
    X("exec", exec)

#endif
