/* Makes the path of a user's token, and looks at each directory that leads to it. */
#include "pam/token_path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/names.h"
#include "text/text.h"

/* Returns the next percent sign from @at, or NULL. */
static const char *next_specifier(const char *at)
{
    return strchr(at, '%');
}

bool token_path_is_valid(const char *template)
{
    if (template[0] != '/' || strlen(template) >= TOKEN_PATH_SIZE)
        return false;
    for (const char *at = template; (at = next_specifier(at)); at += 2)
        if (at[1] != 'u' && at[1] != '%')
            return false;
    return true;
}

bool token_path_has_user(const char *template)
{
    for (const char *at = template; (at = next_specifier(at)); at += 2)
        if (at[1] == 'u')
            return true;
    return false;
}

/* Returns what is wrong with the part of a path that ends here, or NULL. */
static const char *part_judge(const char *path, bool is_file)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return strerror(errno);
    if (S_ISLNK(st.st_mode))
        return "with %u, no part of the path may be a symbolic link";
    if (is_file ? !S_ISREG(st.st_mode) || st.st_nlink != 1 : !S_ISDIR(st.st_mode))
        return "with %u, the path must be that of a regular file with one name";
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return "with %u, the file and all directories that lead to it must be root's";
    if ((st.st_mode & 022) && (is_file || !(st.st_mode & S_ISVTX)))
        return "with %u, only root may write to the file and the directories that lead to it";
    return NULL;
}

/* Judges "/", then each directory, then the file. */
static const char *path_judge(char *path)
{
    const char *problem = part_judge("/", false);

    for (char *slash = path; !problem && (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        problem = part_judge(path, false);
        *slash = '/';
    }
    return problem ? problem : part_judge(path, true);
}

const char *token_path_make(const char *template, const char *user, char ret_path[TOKEN_PATH_SIZE])
{
    struct text path = text_in(ret_path, TOKEN_PATH_SIZE);
    bool has_user = token_path_has_user(template);
    const char *specifier;

    if (has_user && !user)
        return "the user is not known yet: let a module that asks for the name come first";
    if (has_user && !file_name_is_valid(user, strlen(user)))
        return "the user's name cannot be a part of a path";
    for (; (specifier = next_specifier(template)); template = specifier + 2) {
        text_add_bytes(&path, template, (size_t)(specifier - template));
        text_add(&path, specifier[1] == 'u' ? user : "%", NULL);
    }
    text_add(&path, template, NULL);
    if (path.left <= 1) /* it may have been cut off */
        return "the path is too long";
    return has_user ? path_judge(ret_path) : NULL;
}
