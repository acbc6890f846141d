/* A plugin for QEMU: how many instructions the chip had executed each time it came to one of the
   places that `at` names (hexadecimal, repeatable), into the file `to`, one line each:
   the place, the count. With `stack` and `top` also each new lowest address between them that was
   stored to, by another instruction than those at `except` (repeatable): how deep a stack came; it
   counts anew from each of the places on. With `-icount shift=0,sleep=off` both are the same in every run.

   The declarations are those of QEMU's plugin interface, version 1. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 64

struct block;
struct instruction;
typedef void on_block(uint64_t plugin, struct block *block);
typedef void on_execution(unsigned cpu, void *place);
typedef void on_access(unsigned cpu, uint32_t about, uint64_t address, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, on_block *call);
size_t qemu_plugin_tb_n_insns(const struct block *block);
struct instruction *qemu_plugin_tb_get_insn(const struct block *block, size_t number);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *instruction);
void qemu_plugin_register_vcpu_insn_exec_inline(struct instruction *instruction, int operation,
                                                void *counter, uint64_t by);
void qemu_plugin_register_vcpu_mem_cb(struct instruction *instruction, on_access *call,
                                      int registers, int which, void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct instruction *instruction, on_execution *call,
                                            int registers, void *place);

int qemu_plugin_version = 1;

static uint64_t executed;
static uint64_t places[PLACES_MAX];
static size_t place_count;
static FILE *to;
static uint64_t lowest, stack, top, except[PLACES_MAX];
static size_t except_count;

static void stored(unsigned cpu, uint32_t about, uint64_t address, void *data)
{
    (void)cpu;
    (void)about;
    (void)data;
    if (address >= stack && address < lowest) {
        lowest = address;
        fprintf(to, "stack %" PRIu64 "\n", top - lowest);
        fflush(to);
    }
}

static void came(unsigned cpu, void *place)
{
    (void)cpu;
    lowest = top;
    fprintf(to, "%08" PRIx64 " %" PRIu64 "\n", *(uint64_t *)place, executed);
    fflush(to);
}

static int excepted(uint64_t place)
{
    for (size_t i = 0; i < except_count; i++) {
        if (except[i] == place) {
            return 1;
        }
    }
    return 0;
}

static void translated(uint64_t plugin, struct block *block)
{
    (void)plugin;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct instruction *instruction = qemu_plugin_tb_get_insn(block, i);
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, 0, &executed, 1);
        if (stack != 0 && !excepted(qemu_plugin_insn_vaddr(instruction))) {
            qemu_plugin_register_vcpu_mem_cb(instruction, stored, 0, 2, NULL);
        }
        for (size_t j = 0; j < place_count; j++) {
            if (places[j] == qemu_plugin_insn_vaddr(instruction)) {
                qemu_plugin_register_vcpu_insn_exec_cb(instruction, came, 0, &places[j]);
            }
        }
    }
}

int qemu_plugin_install(uint64_t plugin, const void *about, int count, char **arguments)
{
    (void)about;
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "at=", 3) == 0 && place_count < PLACES_MAX) {
            places[place_count++] = strtoull(arguments[i] + 3, NULL, 16);
        } else if (strncmp(arguments[i], "to=", 3) == 0) {
            to = fopen(arguments[i] + 3, "w");
        } else if (strncmp(arguments[i], "stack=", 6) == 0) {
            stack = strtoull(arguments[i] + 6, NULL, 16);
        } else if (strncmp(arguments[i], "top=", 4) == 0) {
            top = lowest = strtoull(arguments[i] + 4, NULL, 16);
        } else if (strncmp(arguments[i], "except=", 7) == 0 && except_count < PLACES_MAX) {
            except[except_count++] = strtoull(arguments[i] + 7, NULL, 16);
        } else {
            return 1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(plugin, translated);
    return to == NULL;
}
