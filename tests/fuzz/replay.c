/*
 * Runs a fuzz harness on its seeds, the files of a directory, without libFuzzer. Every build
 * compiles the harnesses this way.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    static uint8_t buffer[1 << 20];
    FILE *file = fopen(path, "re");
    uint8_t *exact;
    size_t len;

    if (!file) {
        perror(path);
        return EXIT_FAILURE;
    }
    len = fread(buffer, 1, sizeof(buffer), file);
    fclose(file);
    exact =
        malloc(len ? len : 1); /* of its exact size, so that a sanitizer sees one byte too many */
    if (!exact)
        return EXIT_FAILURE;
    for (size_t i = 0; i < len; i++)
        exact[i] = buffer[i];
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return EXIT_SUCCESS;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **seeds = NULL;
    int n = argc == 2 ? scandir(argv[1], &seeds, is_visible, alphasort) : -1;
    int result = n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    char path[4096];

    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", argv[1], seeds[i]->d_name);
        if (replay(path) != EXIT_SUCCESS)
            result = EXIT_FAILURE;
        free(seeds[i]);
    }
    free(seeds);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    printf("%d seeds\n", n);
    return result;
}
