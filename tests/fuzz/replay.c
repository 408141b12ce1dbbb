/*
 * Runs a fuzz harness on files, its seeds, without libFuzzer. Every build compiles the harnesses
 * this way.
 */
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

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) != EXIT_SUCCESS)
            return EXIT_FAILURE;
    printf("%d inputs\n", argc - 1);
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
