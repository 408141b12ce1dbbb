/* Checks names, and lists the variables that a token must not set. */
#include "protocol/names.h"

#include <string.h>

#include "protocol/messages.h"

/*
 * Sorted. Each name ends with a NUL; an array of pointers would need 8 more bytes for each. A name
 * with a star at its end stands for all names that begin like it.
 */
static const char refused[] = "ALL_PROXY\0"
                              "ANT_ARGS\0"
                              "ANT_OPTS\0"
                              "AWS_CA_BUNDLE\0"
                              "AWS_CONFIG_FILE\0"
                              "AWS_SHARED_CREDENTIALS_FILE\0"
                              "AZURE_CONFIG_DIR\0"
                              "AZURE_EXTENSION_DIR\0"
                              "BASH*\0"
                              "BROWSER\0"
                              "BUNDLE_GEMFILE\0"
                              "CARGO_BUILD_*\0"
                              "CARGO_HOME\0"
                              "CARGO_TARGET_*\0"
                              "CC\0"
                              "CDPATH\0"
                              "CGO_*\0"
                              "CLASSPATH\0"
                              "CLOUDSDK_CONFIG\0"
                              "CLOUDSDK_PYTHON*\0"
                              "CORECLR_*\0"
                              "COR_*\0"
                              "CURL_CA_BUNDLE\0"
                              "CURL_HOME\0"
                              "CXX\0"
                              "DOCKER_CERT_PATH\0"
                              "DOCKER_CONFIG\0"
                              "DOCKER_HOST\0"
                              "DOCKER_TLS_VERIFY\0"
                              "DOTNET_*\0"
                              "EDITOR\0"
                              "ENV\0"
                              "FCEDIT\0"
                              "FPATH\0"
                              "FTP_PROXY\0"
                              "GCONV_PATH\0"
                              "GEM_HOME\0"
                              "GEM_PATH\0"
                              "GETCONF_DIR\0"
                              "GIT_ALLOW_PROTOCOL\0"
                              "GIT_ALTERNATE_OBJECT_DIRECTORIES\0"
                              "GIT_ASKPASS\0"
                              "GIT_COMMON_DIR\0"
                              "GIT_CONFIG*\0"
                              "GIT_DIR\0"
                              "GIT_EDITOR\0"
                              "GIT_EXEC_PATH\0"
                              "GIT_EXTERNAL_DIFF\0"
                              "GIT_OBJECT_DIRECTORY\0"
                              "GIT_PAGER\0"
                              "GIT_PROXY_COMMAND\0"
                              "GIT_SEQUENCE_EDITOR\0"
                              "GIT_SSH*\0"
                              "GIT_SSL_*\0"
                              "GIT_TEMPLATE_DIR\0"
                              "GIT_TRACE*\0"
                              "GIT_WORK_TREE\0"
                              "GLIBC_TUNABLES\0"
                              "GLOBIGNORE\0"
                              "GNUTLS_*\0"
                              "GOBIN\0"
                              "GODEBUG\0"
                              "GOENV\0"
                              "GOFLAGS\0"
                              "GOINSECURE\0"
                              "GONOSUMDB\0"
                              "GOPATH\0"
                              "GOPRIVATE\0"
                              "GOPROXY\0"
                              "GOROOT\0"
                              "GOSUMDB\0"
                              "GOTOOLCHAIN\0"
                              "GRADLE_OPTS\0"
                              "GRADLE_USER_HOME\0"
                              "HELM_PLUGINS\0"
                              "HOME\0"
                              "HOSTALIASES\0"
                              "HTTPS_PROXY\0"
                              "HTTP_PROXY\0"
                              "IFS\0"
                              "INPUTRC\0"
                              "JAVA_*\0"
                              "JDK_JAVA_OPTIONS\0"
                              "KRB5_*\0"
                              "KUBECONFIG\0"
                              "KUBECTL_*\0"
                              "KUBE_EDITOR\0"
                              "LD_*\0"
                              "LESS\0"
                              "LESSCLOSE\0"
                              "LESSOPEN\0"
                              "LOCALDOMAIN\0"
                              "LOCPATH\0"
                              "LUA_*\0"
                              "MAKEFILES\0"
                              "MAKEFLAGS\0"
                              "MALLOC_*\0"
                              "MANPAGER\0"
                              "MAVEN_*\0"
                              "NETRC\0"
                              "NIS_PATH\0"
                              "NLSPATH\0"
                              "NODE_EXTRA_CA_CERTS\0"
                              "NODE_OPTIONS\0"
                              "NODE_PATH\0"
                              "NODE_REPL_EXTERNAL_MODULE\0"
                              "NODE_TLS_REJECT_UNAUTHORIZED\0"
                              "NO_PROXY\0"
                              "NPM_CONFIG_*\0"
                              "NULLCMD\0"
                              "OPENSSL_*\0"
                              "PAGER\0"
                              "PATH\0"
                              "PATH_LOCALE\0"
                              "PERL*\0"
                              "PHPRC\0"
                              "PHP_INI_SCAN_DIR\0"
                              "PIP_*\0"
                              "PODLOGIN_*\0"
                              "PROMPT_COMMAND\0"
                              "PS4\0"
                              "PULUMI_HOME\0"
                              "PULUMI_PYTHON_CMD\0"
                              "PYTHON*\0"
                              "READNULLCMD\0"
                              "REQUESTS_CA_BUNDLE\0"
                              "RESOLV_HOST_CONF\0"
                              "RES_OPTIONS\0"
                              "RUBYLIB\0"
                              "RUBYOPT\0"
                              "RUSTC*\0"
                              "RUSTFLAGS\0"
                              "SHELL*\0"
                              "SSH_ASKPASS*\0"
                              "SSH_AUTH_SOCK\0"
                              "SSH_PKCS11_HELPER\0"
                              "SSH_SK_*\0"
                              "SSL*\0"
                              "SUDO_ASKPASS\0"
                              "TERMCAP\0"
                              "TERMINFO*\0"
                              "TERMPATH\0"
                              "TF_CLI_*\0"
                              "TF_PLUGIN_CACHE_DIR\0"
                              "TMPDIR\0"
                              "TMPPREFIX\0"
                              "TZDIR\0"
                              "VAULT_CACERT*\0"
                              "VAULT_CAPATH\0"
                              "VAULT_SKIP_VERIFY\0"
                              "VAULT_TLS_SERVER_NAME\0"
                              "VISUAL\0"
                              "WGETRC\0"
                              "XDG_*\0"
                              "ZDOTDIR\0";

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool service_name_is_valid(const char *name, size_t len)
{
    if (len == 0 || len > PODLOGIN_SERVICE_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_upper(name[i]) && !is_digit(name[i]) && !(name[i] >= 'a' && name[i] <= 'z') &&
            name[i] != '.' && name[i] != '_' && name[i] != '-')
            return false;
    return true;
}

/* A service is a file of services.d. Without a slash and a dot first, it is in its directory. */
bool file_name_is_valid(const char *name, size_t len)
{
    return service_name_is_valid(name, len);
}

bool variable_name_is_valid(const char *name, size_t len)
{
    if (len == 0 || len > VARIABLE_NAME_MAX || !is_upper(name[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!is_upper(name[i]) && !is_digit(name[i]) && name[i] != '_')
            return false;
    return true;
}

/* Bisects the table. In the middle of what is left may be any byte of a row. */
bool variable_name_is_safe(const char *name, size_t len)
{
    size_t begin = 0, end = sizeof(refused) - 1;

    if (!variable_name_is_valid(name, len))
        return false;
    while (begin < end) {
        size_t row = begin + (end - begin) / 2, n = 0;

        while (row > begin && refused[row - 1])
            row--;
        while (n < len && refused[row + n] == name[n])
            n++;
        if (refused[row + n] == '*' || (refused[row + n] == '\0' && n == len))
            return false;
        if (n == len || refused[row + n] > name[n])
            end = row;
        else
            begin = row + strlen(refused + row) + 1;
    }
    return true;
}
