/* A plugin for QEMU: what the chip reads of its PSRAM before it overwrites it. Into the file `to`, a
   byte for each byte of the PSRAM: 0 if it was not touched, 1 if it was read, 2 if it was stored
   over before it was read. It is right at any moment, so that the emulator may be killed. `memory`
   names the file behind the PSRAM, `size` how much of it counts, `fuses` how much of that are fuses
   (hexadecimal).

   The chip's driver loads each byte that it stores over. Of an erase, which alone stores ones, the
   loaded byte decides nothing, and it is no read; fuses know no erase.

   The declarations are those of QEMU's plugin interface, version 1. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PSRAM 0x80000000u
#define ERASED 0xff
/* Bytes of an access that begins in the last that counts. */
#define TAIL 16

enum { UNTOUCHED, READ, OVERWRITTEN };

struct block;
struct instruction;
typedef void on_block(uint64_t plugin, struct block *block);
typedef void on_access(unsigned cpu, uint32_t about, uint64_t address, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, on_block *call);
size_t qemu_plugin_tb_n_insns(const struct block *block);
struct instruction *qemu_plugin_tb_get_insn(const struct block *block, size_t number);
void qemu_plugin_register_vcpu_mem_cb(struct instruction *instruction, on_access *call,
                                      int registers, int which, void *data);
unsigned qemu_plugin_mem_size_shift(uint32_t about);
_Bool qemu_plugin_mem_is_store(uint32_t about);

int qemu_plugin_version = 1;

static const unsigned char *memory;
static unsigned char *map;
static uint64_t size, fuses;
/* The byte that the last access read first, or none. */
static uint64_t last = UINT64_MAX;

/* Called after the access. */
static void accessed(unsigned cpu, uint32_t about, uint64_t address, void *data)
{
    uint64_t at = address - PSRAM, before = last;
    unsigned count = 1u << qemu_plugin_mem_size_shift(about);
    (void)cpu;
    (void)data;
    if (at >= size) {
        return;
    }
    last = UINT64_MAX;
    if (!qemu_plugin_mem_is_store(about)) {
        last = count == 1 && map[at] == UNTOUCHED ? at : UINT64_MAX;
        for (unsigned i = 0; i < count; i++) {
            map[at + i] = map[at + i] == UNTOUCHED ? READ : map[at + i];
        }
        return;
    }
    if (count == 1 && at == before && at >= fuses && memory[at] == ERASED) {
        map[at] = OVERWRITTEN;
    }
    for (unsigned i = 0; i < count; i++) {
        map[at + i] = map[at + i] == UNTOUCHED ? OVERWRITTEN : map[at + i];
    }
}

static void translated(uint64_t plugin, struct block *block)
{
    (void)plugin;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, i), accessed, 0, 3, NULL);
    }
}

/* The first bytes of a file. */
static unsigned char *mapped(const char *path, int flags, int access)
{
    int file = open(path, flags, 0600);
    if (file < 0 || (access & PROT_WRITE && ftruncate(file, (off_t)(size + TAIL)) != 0)) {
        return NULL;
    }
    void *bytes = mmap(NULL, size + TAIL, access, MAP_SHARED, file, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

int qemu_plugin_install(uint64_t plugin, const void *about, int count, char **arguments)
{
    const char *to = NULL, *from = NULL;
    (void)about;
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "to=", 3) == 0) {
            to = arguments[i] + 3;
        } else if (strncmp(arguments[i], "memory=", 7) == 0) {
            from = arguments[i] + 7;
        } else if (strncmp(arguments[i], "size=", 5) == 0) {
            size = strtoull(arguments[i] + 5, NULL, 16);
        } else if (strncmp(arguments[i], "fuses=", 6) == 0) {
            fuses = strtoull(arguments[i] + 6, NULL, 16);
        } else {
            return 1;
        }
    }
    if (to == NULL || from == NULL || size == 0 || fuses == 0) {
        return 1;
    }
    memory = mapped(from, O_RDONLY, PROT_READ);
    map = mapped(to, O_RDWR | O_CREAT | O_TRUNC, PROT_READ | PROT_WRITE);
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    return memory == NULL || map == NULL;
}
