//! The general registers of a stopped thread, numbered as DWARF numbers them. One section per
//! processor: what another one needs is its four numbers and its two functions here.

/// How many registers are kept: DWARF's numbers 0 to 32 cover x86-64 and 64-bit Arm.
pub const COUNT: usize = 33;

/// Register values by DWARF number; `None` where a value is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    by_number: [Option<u64>; COUNT],
    rolled_back_call: Option<i32>,
}

impl Registers {
    pub const EMPTY: Registers = Registers { by_number: [None; COUNT], rolled_back_call: None };

    pub fn get(&self, number: u16) -> Option<u64> {
        self.by_number.get(usize::from(number)).copied().flatten()
    }

    /// Sets a register; a number that is not kept is ignored.
    pub fn set(&mut self, number: u16, value: Option<u64>) {
        if let Some(place) = self.by_number.get_mut(usize::from(number)) {
            *place = value;
        }
    }

    /// The system call that the thread was about to make when the kernel undid its entry, as
    /// it does for one that seccomp answers with death.
    pub fn rolled_back_call(&self) -> Option<i32> {
        self.rolled_back_call
    }
}

#[cfg(target_arch = "x86_64")]
mod processor {
    use super::Registers;

    /// DWARF numbers (System V ABI, AMD64 supplement, figure 3.36). On x86-64 the pc has the
    /// number of the return address column.
    pub const PC: u16 = 16;
    pub const SP: u16 = 7;
    pub const FP: u16 = 6;
    /// A call leaves its return address on the stack.
    pub const LINK: Option<u16> = None;

    pub type KernelRegisters = libc::user_regs_struct;

    pub fn zeroed() -> KernelRegisters {
        // SAFETY: the struct holds only integers, for which all bits zero is a value.
        unsafe { std::mem::zeroed() }
    }

    pub fn from_kernel(set: &KernelRegisters) -> Registers {
        let by_number = [
            set.rax, set.rdx, set.rcx, set.rbx, set.rsi, set.rdi, set.rbp, set.rsp, set.r8, set.r9,
            set.r10, set.r11, set.r12, set.r13, set.r14, set.r15, set.rip,
        ];
        let mut registers = Registers::EMPTY;
        for (number, value) in by_number.into_iter().enumerate() {
            registers.set(number as u16, Some(value));
        }
        let undone = set.orig_rax == set.rax;
        registers.rolled_back_call = i32::try_from(set.orig_rax).ok().filter(|_| undone);
        registers
    }
}

#[cfg(target_arch = "aarch64")]
mod processor {
    use super::Registers;

    /// DWARF numbers (DWARF for the Arm 64-bit Architecture, table 4.1).
    pub const PC: u16 = 32;
    pub const SP: u16 = 31;
    pub const FP: u16 = 29;
    /// A call leaves its return address in x30.
    pub const LINK: Option<u16> = Some(30);

    /// What `PTRACE_GETREGSET` with `NT_PRSTATUS` fills: x0 to x30, sp, pc, pstate.
    pub type KernelRegisters = libc::user_regs_struct;

    pub fn zeroed() -> KernelRegisters {
        // SAFETY: the struct holds only integers, for which all bits zero is a value.
        unsafe { std::mem::zeroed() }
    }

    /// A call that seccomp answers with death is not recognised here: only its signal is seen.
    pub fn from_kernel(set: &KernelRegisters) -> Registers {
        let mut registers = Registers::EMPTY;
        for (number, value) in set.regs.into_iter().chain([set.sp, set.pc]).enumerate() {
            registers.set(number as u16, Some(value));
        }
        registers
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "crash capture knows the registers of x86-64 and 64-bit Arm: add this processor's section to \
     device/src/sys/ptrace/registers.rs (docs/src/porting.md, \"Another processor\")"
);

pub use processor::{FP, KernelRegisters, LINK, PC, SP, from_kernel, zeroed};
