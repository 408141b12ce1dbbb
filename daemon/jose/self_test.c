/*
 * Tokens of every algorithm, with their keys, made once for this file. The private keys were not
 * kept.
 */
#include "jose/self_test.h"

#include <string.h>

#include "jose/jws.h"

static const char keys[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"sig\",\"kid\":\"rsa\",\"n\":\"6_S_iFw3yVZgA0sfVOM5JkMd"
    "6P3Qvq96Ruyo1Ixtm14b-btNc2iq6VFfke5r6qfm8tvEQQAve9T4hrub1LvK7CrSA8kjczh_NLEHs1pnUiO-WIzkSMbY"
    "MjlLn9WG2uOGe_KUJAkMPNvvs_2DI41Xjx6r2m8KGLqSQVpqsVd2LkE-OX_MXERMWSwH_CYtI9bBo-ceGg659ubCZ40A"
    "8QdlMCEpo6cn-WY8ObBWPB4AUhzZlnbW8-W3rj0gEDq8YqZLLED55xkCfYzB6GxlGH_goKbMHaVpx9SLJWi_ZaviOD08"
    "kgozTk820m-pwcg_Ki5a2yo7B4pm4aONLmkxPzlHmw\",\"e\":\"AQAB\"},{\"kty\":\"EC\",\"use\":\"sig\""
    ",\"kid\":\"ES256\",\"crv\":\"P-256\",\"x\":\"MQt9bziwmM3hYGjClbWK6JuSW2c6PSOTjrzYMrhQAns\","
    "\"y\":\"_bnRe0BA1Qckj0Kt6eX3HxYC4hgllBUeTT7nGAeamjo\"},{\"kty\":\"EC\",\"use\":\"sig\",\"kid"
    "\":\"ES384\",\"crv\":\"P-384\",\"x\":\"F4sQ4KCP3-wlmwa_NQjKuJLQvGfJdGzEUYTvifAYPqy3oEObMi5hs"
    "kIpiTxjFN_Z\",\"y\":\"nvEPtTbXqW0lMiFokZxz3CVSaRG4mZ_jgiLIsGQfbxGXuVB2meiXBcmiLeEde6FO\"},{"
    "\"kty\":\"EC\",\"use\":\"sig\",\"kid\":\"ES512\",\"crv\":\"P-521\",\"x\":\"Ac4iBgh-X59Rse-I-"
    "535L1SR7tyeV54r-Z61KfjKqDpZEv6BUUuP0OY0cRkX3inyMawpEOqMsBfJXViH7ApPmQJ1\",\"y\":\"AEhHWx_L54"
    "kPJFtUS6MFlOz1RSlEOu2cwkJpasolPkQatZ34-LMc1yAe-XJCFx2-vl_a6hPoNsNfI9XzFUcS4cCN\"}]}";

static const char *const tokens[ALGORITHMS] = {
    [ALGORITHM_RS256] =
        "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.e30.tWq3jcxPqOAkAPn7LfzmJ6yPyTk-ej10d_kuDGjrDmYrXng"
        "vq8IBUFSD2b4I78NW1sCeeFRNTC3I_DW75OFc_23TThNTa3fySSo2LnFiaKP-33L6KjrFyw6vh-EX7x8iX-XxzPa"
        "l2PbToB7F8bea2HGYqjgOSNrNrfwTMGBqJJM7Sm-QXGU9aYqYAHI1Jb5oGorh2yQ1qv_mTnsDeMzuLmrQNku3gxk"
        "3e2jbFO7VocCHvHLhD-O0wAHXUDvonrh5aYK8ATcullKFVnM4NRbY2wITu1xm8bWwePCP1cM6XnKDv0O1TjG0Jp3"
        "ToL6TnhLFBwpBImHNrnfv4GR3B1KIeA",
    [ALGORITHM_RS384] =
        "eyJhbGciOiJSUzM4NCIsImtpZCI6InJzYSJ9.e30.uQZQ6ejIXsQYV9zykrefGUIQYHAJ8kXNLPLNRQ8ivIN_r6U"
        "vBC_LcAtV4ybs96EXCZE2KPWkF8UMpfKmryoLAZhf-YfU-Uex6MeG1SgrQQ6CZl7MtrP8k3wabDzBxPCg9RpLYdm"
        "CoRPpFJV_YPI_eXGKMvbKwexgzl_Mr-e58q8gcu3wP7ss0zzLJQhZyZ0i0Ij2adDpNesjXS-eIa8xa_E6jN4lZ94"
        "-Dfy_anjSFSesnwEbQh3Bpj8Y30PWgSKKqngESGLgzV0po2LeMV5aLVqCJ9lKz3Ra4Epq80iF_E5ciZSqu_74lnV"
        "h29JmPuqTPo0eSqXzGxtchHJ3Ej_tlg",
    [ALGORITHM_RS512] =
        "eyJhbGciOiJSUzUxMiIsImtpZCI6InJzYSJ9.e30.aPhDyZNzgMgQhIv03t9JRoy0aG6MylDaouOMpq0WDSXNPMb"
        "tIliGNXPeOmx688rcTcPxMKBPdxe8GGiuh9YccH0NyuTkRnQLLjqCEo4F4TK-J6pMbZ71vVtBPoal8xu3RsFMq1c"
        "cOQHVq-UILEZo9A_blGYGVjRJS52misnwvbaiSDmn8W_XknzogXYHk5jwFnRG_DB_d6H5TKTx5PBj_9VZP2FAbbL"
        "KHEKcBUhBSYMzVwzSbrcwU5wACzsKMjuFC1Y-g846qS_hzTqdHyfCiRKsBaJaag5jXc-ThWzb-LYIZfrMa1AxFsf"
        "8RLsEaqmd_SsI2kqKCB3Q2Mrv8O9fLw",
    [ALGORITHM_PS256] =
        "eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSJ9.e30.goBefkIBw0lAKbR11J-UHLutd1towRwEFSNX9XPFLKMfh2G"
        "C_2kp8-BhYyv4WT_TvIltkMTQrRVtaHEycOGfTzt-5UEB4A7ifZ_O6JGiBaCjHJgfQYZVISqFAPGuzWtAkGf_Rh2"
        "78go9XnNmJp4d_7kG2AcLIj0-WsU6qk2HxQVL_L4AYcxh2KaRL36fRO8HdvfTLMapCtU5FSX23OWcGvkfOtQdwJz"
        "PW-UNh4E_s9DtMSkPxvaEyF2E0ZE2AWxA2gNBIZl7QteDRabenfAuYUNLn-rDxN1bFtiGanShfFDDZsx9WCZRSlz"
        "Ih40VhIYeBZ4TGTHxiGB51tHTFDhg1Q",
    [ALGORITHM_PS384] =
        "eyJhbGciOiJQUzM4NCIsImtpZCI6InJzYSJ9.e30.DXQU6mKy3PCI0q2jet8ZOOWeoWBrIKCrkaMbmcpcJ18bpNP"
        "94DHFWxcBhdX_uplpTIgDX0yRmhs8HgKxrvNdK7LySa20adznnmSoOXr8MWMMbbXv7fEVFBjlt7ayRUOA-UHCEJD"
        "QYngnvGtsBR-HhR17kGPUsml9LjBz4fMSnE2PLZWsH0eTL9TOFYdC71irl4jAidUrY--d8mr6iVFS2-7zNCeyC7N"
        "D2Ws4nciDY5iOU3Xjqu6U92_gVFvDg4FDiemgAAVhs1MtXyqQHrl7N7cvh4AoRe_m923ES1rqVVCSG65R6dFodBM"
        "AudBv_oXmM2XrKsIA8ccfEL6l8L-ASg",
    [ALGORITHM_PS512] =
        "eyJhbGciOiJQUzUxMiIsImtpZCI6InJzYSJ9.e30.zSMWiRj0eU6nzd_x59ME1tCxke0hZ6NoG4x_GLHy54c5dFt"
        "7kgmY68M9wBUWnGIP5Xb6GFOotXzC927dbs8PlrraE2EpiSNLq4NOq3s33H2nLqztCfyyRJ-grR2A5GBhxf4GGQp"
        "Fm3-IhskdijJfvAJB-ffEYCsFc09ipJiJYWD-3r_8zhTWdlwfbYnRYF3i3aUGSEDkK-0GWHOehH4XXlSJLOCl9os"
        "hl99qg6pdQMIbXdeqUv4qVBi7gZPVCRMYLksmCkl7oXZNNyJeUlAgWv22wyLgbh4rIn3evZf2rtXeeavx_mn8xZr"
        "rDd_pi7I7N_CPHJSUSyQrR3TILNAvoA",
    [ALGORITHM_ES256] =
        "eyJhbGciOiJFUzI1NiIsImtpZCI6IkVTMjU2In0.e30.1aYXWBltAu-2nJs3lj5HPYl4wucQGoSYu2k6InNwD6Lh"
        "bXhcGfXB7yRbZpR0_1Qd4JumnsYdsy7ye9_yXow9cQ",
    [ALGORITHM_ES384] =
        "eyJhbGciOiJFUzM4NCIsImtpZCI6IkVTMzg0In0.e30.kf4kwJJAcbTcFWCv1eLVcdxZqG39jPlzE52OkiUDrVXo"
        "Gh5GNhnFp3m7hLRLOSPZNCHFdIJxwu55x9IYbsUF_x5BO8SJ8sdwEdZRNqnkHPQd0uvUF6WLOrKH5Ce5ZkEn",
    [ALGORITHM_ES512] =
        "eyJhbGciOiJFUzUxMiIsImtpZCI6IkVTNTEyIn0.e30.AfaBka_cqDRgOXSM33_9ThSHo-F1l0_mPPeW1jGWlxAr"
        "0lbzbRaMPNtDYMHY4ZyWbpWQOivwMM0VdzqzaZzizDwMAd2TKElGs-WO1yavOA8rNHcuarvr4mUACT1495EYDwYU"
        "6yF8oUyRdzoErrlVWuQBLJh3XnBd49fWQ7CqnD-fNsiF",
};

static bool verifies(const struct jwks *jwks, const char *token)
{
    struct refusal refusal;
    struct jws jws;
    struct jwk *key;
    bool is_good;

    if (jws_parse(token, strlen(token), &jws, &refusal) != PODLOGIN_OK)
        return false;
    key = jwks_find(jwks, jws.kid);
    is_good = key && jws_verify(&jws, token, key) == PODLOGIN_OK;
    jws_done(&jws);
    return is_good;
}

bool jose_self_test(void)
{
    struct jwks jwks = {0}, none = {0};
    const char *reason;
    bool is_good = jwks_parse(keys, strlen(keys), &jwks, &reason) == 0;

    for (size_t i = 0; i < ALGORITHMS && is_good; i++)
        is_good = verifies(&jwks, tokens[i]);
    jwks_replace(&jwks, &none);
    return is_good;
}
