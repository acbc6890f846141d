/* A plugin for QEMU: every store that the chip makes to its PSRAM, into the file `to`, one after
   another, a byte each: where it is, from where the PSRAM begins (4 bytes), and what is there since
   (4 bytes). `memory` names the file behind the PSRAM, `size` how much of it counts (hexadecimal).

   The declarations are those of QEMU's plugin interface, version 1. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PSRAM 0x80000000u

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
static uint64_t size;
static int to = -1;

/* Called after the store. */
static void stored(unsigned cpu, uint32_t about, uint64_t address, void *data)
{
    uint64_t at = address - PSRAM;
    (void)cpu;
    (void)data;
    if (at >= size || !qemu_plugin_mem_is_store(about)) {
        return; /* QEMU calls for loads, too */
    }
    for (unsigned i = 0; i < 1u << qemu_plugin_mem_size_shift(about); i++) {
        struct {
            uint32_t at, byte;
        } store = {(uint32_t)at + i, memory[at + i]};
        if (write(to, &store, sizeof store) != sizeof store) {
            abort();
        }
    }
}

static void translated(uint64_t plugin, struct block *block)
{
    (void)plugin;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(block, i), stored, 0, 2, NULL);
    }
}

int qemu_plugin_install(uint64_t plugin, const void *about, int count, char **arguments)
{
    int file = -1;
    (void)about;
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "to=", 3) == 0) {
            to = open(arguments[i] + 3, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        } else if (strncmp(arguments[i], "memory=", 7) == 0) {
            file = open(arguments[i] + 7, O_RDONLY);
        } else if (strncmp(arguments[i], "size=", 5) == 0) {
            size = strtoull(arguments[i] + 5, NULL, 16);
        } else {
            return 1;
        }
    }
    if (to < 0 || file < 0 || size == 0) {
        return 1;
    }
    memory = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    return memory == MAP_FAILED;
}
