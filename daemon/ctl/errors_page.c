/* Prints docs/errors.md, which a test compares: build/daemon/errors-page >docs/errors.md */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/remedy.h"
#include "protocol/status.h"

#define WIDTH 120

/* Prints a paragraph in lines of WIDTH. @indent: of all lines but the first. */
__attribute__((format(printf, 2, 3))) static void print_wrapped(int indent, const char *format, ...)
{
    char text[2048], *rest = NULL;
    size_t column = 0;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (column && column + 1 + strlen(word) > WIDTH)
            column = (size_t)printf("\n%*s%s", indent, "", word) - 1;
        else
            column += (size_t)printf("%s%s", column ? " " : "", word);
    }
    puts("\n");
}

static void print_remedies(enum podlogin_status status)
{
    const struct remedy *remedies;
    size_t n;

    remedies = remedy_table(&n);
    for (size_t i = 0; i < n; i++) {
        const struct remedy *remedy = &remedies[i];

        if (remedy->status != status)
            continue;
        if (remedy->symptom)
            print_wrapped(2, "- \"%s\": %s.", remedy->symptom + strspn(remedy->symptom, " "),
                          remedy->text);
        else
            print_wrapped(2, "- %c%s.", toupper((unsigned char)remedy->text[0]), remedy->text + 1);
    }
}

int main(void)
{
    const struct status_info *statuses;
    size_t n;

    statuses = status_table(&n);
    puts("# Errors of clients\n\n"
         "<!-- build/daemon/errors-page prints this page; change daemon/ctl/remedy.c instead. "
         "-->\n");
    print_wrapped(0,
                  "The client prints `podlogin: SERVICE: STATUS: SENTENCE (DETAIL)`. For each "
                  "status, this page has its number in the protocol, whether the same request "
                  "may succeed later, the exit code of `podlogin`, the sentence, and what to do. "
                  "A line that begins with words in quotes is for details that have these words.");
    for (size_t i = 0; i < n; i++) {
        if (statuses[i].status == PODLOGIN_OK)
            continue;
        printf("## %s\n\n", statuses[i].name);
        print_wrapped(0, "Number %d, %s, exit code %d: %s.", statuses[i].status,
                      statuses[i].is_retryable ? "retry" : "no retry", statuses[i].exit_code,
                      statuses[i].sentence);
        print_remedies(statuses[i].status);
    }
    return ferror(stdout) || fflush(stdout) != 0;
}
