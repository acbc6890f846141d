/* A plugin for QEMU: which instructions the chip executed, one after another, and whether it ever
   left its ROM.

   An instruction in the memory of programs ends the emulator (status 42), and one in neither this
   memory nor the ROM ends it, too (status 44). `code` and `size` say in hexadecimal where that
   memory is. If there is `to`, that file gets the address of each instruction executed, 4 bytes
   each, and `wfi`, by which the ROM halts, ends the emulator as well (status 0). Then `touched` gets
   12 bytes for each store outside RAM, and for the first load of each word of the ROM: the place of
   its instruction in the other file, its address, and whether it is a store. With `from` and `count`
   all that begins behind the load of that address, in hexadecimal, that is the `count`-th, in decimal.

   The declarations are those of QEMU's plugin interface, version 1. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROGRAM = 42, ELSEWHERE = 44 };

#define ROM 0x10000000u
#define ROM_SIZE 0xc000u
#define RAM 0x30000000u
#define RAM_SIZE 0x8000u

struct block;
struct instruction;
typedef void on_block(uint64_t plugin, struct block *block);
typedef void on_execution(unsigned cpu, void *address);
typedef void on_access(unsigned cpu, uint32_t how, uint64_t at, void *nothing);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, on_block *call);
size_t qemu_plugin_tb_n_insns(const struct block *block);
struct instruction *qemu_plugin_tb_get_insn(const struct block *block, size_t number);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *instruction);
const void *qemu_plugin_insn_data(const struct instruction *instruction);
void qemu_plugin_register_vcpu_insn_exec_cb(struct instruction *instruction, on_execution *call,
                                            int registers, void *address);

void qemu_plugin_register_vcpu_mem_cb(struct instruction *instruction, on_access *call,
                                      int registers, int which, void *nothing);
int qemu_plugin_mem_is_store(uint32_t how);

int qemu_plugin_version = 1;

static const unsigned char wfi[2] = {0x30, 0xbf};
static uint64_t code;
static uint64_t size;
static uint64_t from;
static unsigned long count;
static FILE *to;
static FILE *touched;
static uint32_t executed;
static unsigned char loaded[ROM_SIZE / 4];

static void left(unsigned cpu, void *address)
{
    uint64_t at = (uintptr_t)address;
    (void)cpu;
    if (to != NULL) {
        fclose(to);
        fclose(touched);
    }
    _exit(at >= code && at - code < size ? PROGRAM : ELSEWHERE);
}

static void came(unsigned cpu, void *address)
{
    uint32_t at = (uint32_t)(uintptr_t)address;
    (void)cpu;
    if (count > 0) {
        return;
    }
    fwrite(&at, sizeof at, 1, to);
    executed++;
}

static void accessed(unsigned cpu, uint32_t how, uint64_t at, void *nothing)
{
    int store = qemu_plugin_mem_is_store(how);
    (void)cpu;
    (void)nothing;
    if (count > 0) {
        count -= !store && at == from;
        return;
    }
    if (store ? at - RAM < RAM_SIZE || at - code < size
              : at - ROM >= ROM_SIZE || loaded[(at - ROM) / 4] != 0) {
        return;
    }
    if (!store) {
        loaded[(at - ROM) / 4] = 1;
    }
    uint32_t entry[3] = {executed - 1, (uint32_t)at, (uint32_t)store};
    fwrite(entry, sizeof entry, 1, touched);
}

static void halted(unsigned cpu, void *address)
{
    (void)cpu;
    (void)address;
    if (count > 0) {
        return;
    }
    fclose(to);
    fclose(touched);
    _exit(0);
}

static void translated(uint64_t plugin, struct block *block)
{
    (void)plugin;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct instruction *instruction = qemu_plugin_tb_get_insn(block, i);
        uint64_t at = qemu_plugin_insn_vaddr(instruction);
        on_execution *call = came;
        if (at - ROM >= ROM_SIZE) {
            call = left;
        } else if (to == NULL) {
            continue;
        } else if (memcmp(qemu_plugin_insn_data(instruction), wfi, sizeof wfi) == 0) {
            call = halted;
        }
        qemu_plugin_register_vcpu_insn_exec_cb(instruction, call, 0, (void *)(uintptr_t)at);
        if (call == came) {
            qemu_plugin_register_vcpu_mem_cb(instruction, accessed, 0, 3, NULL);
        }
    }
}

int qemu_plugin_install(uint64_t plugin, const void *about, int number, char **arguments)
{
    (void)about;
    for (int i = 0; i < number; i++) {
        if (strncmp(arguments[i], "to=", 3) == 0) {
            to = fopen(arguments[i] + 3, "w");
            if (to == NULL) {
                return 1;
            }
        } else if (strncmp(arguments[i], "touched=", 8) == 0) {
            touched = fopen(arguments[i] + 8, "w");
            if (touched == NULL) {
                return 1;
            }
        } else if (strncmp(arguments[i], "from=", 5) == 0) {
            from = strtoull(arguments[i] + 5, NULL, 16);
        } else if (strncmp(arguments[i], "count=", 6) == 0) {
            count = strtoul(arguments[i] + 6, NULL, 10);
        } else if (strncmp(arguments[i], "code=", 5) == 0) {
            code = strtoull(arguments[i] + 5, NULL, 16);
        } else if (strncmp(arguments[i], "size=", 5) == 0) {
            size = strtoull(arguments[i] + 5, NULL, 16);
        } else {
            return 1;
        }
    }
    if ((to == NULL) != (touched == NULL)) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    return 0;
}
