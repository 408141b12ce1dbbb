/*
 * Makes relocated data read-only in the static command, before main(). In other programs their
 * loader does so, or the start-up code of glibc; that of musl does not.
 */
#include <link.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden"))); /* from the linker */

__attribute__((constructor)) static void protect(void)
{
    const ElfW(Phdr) *header = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    uintptr_t base = (uintptr_t)&__ehdr_start, page = getauxval(AT_PAGESZ);

    if (getauxval(AT_BASE) != 0 || __ehdr_start.e_type != ET_DYN) /* a loader, or fixed addresses */
        return;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
        uintptr_t begin = (base + header[i].p_vaddr) & -page;
        uintptr_t end = (base + header[i].p_vaddr + header[i].p_memsz) & -page;

        if (header[i].p_type == PT_GNU_RELRO)
            mprotect((void *)begin, end - begin, PROT_READ);
    }
}
