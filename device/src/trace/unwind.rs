//! From the registers of a stopped thread to its frames, by the programs' own unwind tables
//! (DWARF 5 §6.4 in `.eh_frame` form), else by frame pointers. Everything read here is the
//! crashed process's word: a wrong table gives wrong or fewer frames, and nothing else.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, EvaluationResult, Expression,
    LittleEndian, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, UnwindTableRow,
    Value,
};

use super::memory::{Mapping, Peek};
use super::module::{Module, UnwindTables, base_of};
use super::record::{FRAMES_MAX, Frame};
use crate::sys::ptrace::registers::{FP, LINK, PC, Registers, SP};

/// Modules read for one trace.
const MODULES_MAX: usize = 16;
/// Operations in one DWARF expression; those that compilers write have under ten.
const EXPRESSION_STEPS_MAX: u32 = 100;
const WORD: u64 = 8;
const WORD_ENCODING: gimli::Encoding =
    gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The frames of one thread.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    pub frames: Vec<Frame>,
    /// Whether the outermost frame was reached.
    pub complete: bool,
    /// Whether the thread was inside a signal handler.
    pub in_handler: bool,
}

/// Unwinds from `registers`, at most [`FRAMES_MAX`] frames.
pub fn unwind(registers: Registers, mappings: &[Mapping], memory: &dyn Peek) -> Trace {
    let mut unwinder = Unwinder {
        registers,
        exact: true,
        modules: Modules { read: Vec::new(), mappings, memory },
        mappings,
        memory,
        trace: Trace::default(),
    };
    while unwinder.trace.frames.len() < FRAMES_MAX {
        match unwinder.step() {
            Some(Step::Caller) => {}
            Some(Step::Outermost) => {
                unwinder.trace.complete = true;
                break;
            }
            None => break,
        }
    }
    unwinder.trace
}

enum Step {
    /// The registers are now the caller's.
    Caller,
    Outermost,
}

struct Unwinder<'a> {
    registers: Registers,
    /// Whether pc is the instruction itself, not the one after a call.
    exact: bool,
    modules: Modules<'a>,
    mappings: &'a [Mapping],
    memory: &'a dyn Peek,
    trace: Trace,
}

impl Unwinder<'_> {
    /// Notes the present frame and goes to its caller.
    fn step(&mut self) -> Option<Step> {
        let pc = self.registers.get(PC)?;
        if pc == 0 && !self.exact {
            return Some(Step::Outermost);
        }
        let place = if self.exact { pc } else { pc.wrapping_sub(1) };
        let Some(module) = self.modules.at(place) else {
            self.trace.frames.push(Frame::default());
            return self.return_from_nowhere();
        };
        let frame = Frame { build_id: module.build_id, pc: module.linked(place) };
        let tables = module.unwind.as_ref();
        let caller = tables.and_then(|tables| caller(tables, place, &self.registers, self.memory));
        self.trace.frames.push(frame);
        match caller {
            Some(Caller { registers: Some(registers), signal }) => self.enter(registers, signal),
            Some(Caller { registers: None, .. }) => Some(Step::Outermost),
            None => self.follow_frame_pointer(),
        }
    }

    fn enter(&mut self, caller: Registers, signal: bool) -> Option<Step> {
        // A caller's stack pointer lies above, except where a handler has a stack of its own, and
        // where the innermost function needed none because its return address is in a register.
        let (sp, its) = (self.registers.get(SP)?, caller.get(SP)?);
        let stackless = LINK.is_some() && self.exact && its == sp;
        if !signal && its <= sp && !stackless {
            return None;
        }
        self.trace.in_handler |= signal;
        self.exact = signal;
        self.registers = caller;
        Some(Step::Caller)
    }

    /// A call to an address that is no code leaves the return address on top of the stack, or in
    /// its register. Only believed for the innermost frame, and only if it leads into code.
    fn return_from_nowhere(&mut self) -> Option<Step> {
        let sp = self.registers.get(SP).filter(|_| self.exact)?;
        let (pc, popped) = match LINK {
            Some(link) => (plain(self.registers.get(link)?), 0),
            None => (self.memory.word(sp)?, WORD),
        };
        base_of(pc, self.mappings)?;
        let mut caller = self.registers;
        caller.set(PC, Some(pc));
        caller.set(SP, sp.checked_add(popped));
        self.enter(caller, false)
    }

    fn follow_frame_pointer(&mut self) -> Option<Step> {
        let fp = self.registers.get(FP).filter(|fp| fp % WORD == 0)?;
        let pc = plain(self.memory.word(fp.checked_add(WORD)?)?);
        base_of(pc.wrapping_sub(1), self.mappings)?;
        let mut caller = self.registers;
        caller.set(PC, Some(pc));
        caller.set(FP, self.memory.word(fp));
        caller.set(SP, fp.checked_add(2 * WORD));
        self.enter(caller, false)
    }
}

/// A return address as it is in memory: 64-bit Arm may have signed it in its upper bits, which no
/// address of a program uses.
fn plain(address: u64) -> u64 {
    if cfg!(target_arch = "aarch64") { address & 0x0000_ffff_ffff_ffff } else { address }
}

/// The modules met so far.
struct Modules<'a> {
    read: Vec<Module>,
    mappings: &'a [Mapping],
    memory: &'a dyn Peek,
}

impl Modules<'_> {
    fn at(&mut self, address: u64) -> Option<&Module> {
        let base = base_of(address, self.mappings)?;
        if let Some(at) = self.read.iter().position(|module| module.base == base) {
            return self.read.get(at);
        }
        if self.read.len() >= MODULES_MAX {
            return None;
        }
        self.read.push(Module::read(base, self.memory)?);
        self.read.last()
    }
}

struct Caller {
    /// `None` where the tables mark the frame left as the outermost.
    registers: Option<Registers>,
    /// Whether the frame left is the kernel's call of a signal handler.
    signal: bool,
}

/// The registers of the caller of the code at `place`; `None` if the tables do not know.
fn caller(
    tables: &UnwindTables,
    place: u64,
    registers: &Registers,
    memory: &dyn Peek,
) -> Option<Caller> {
    let bases = BaseAddresses::default()
        .set_eh_frame_hdr(tables.index.address)
        .set_eh_frame(tables.table.address);
    let index = EhFrameHdr::new(&tables.index.bytes, LittleEndian).parse(&bases, 8).ok()?;
    let section = EhFrame::new(&tables.table.bytes, LittleEndian);
    let entry =
        index.table()?.fde_for_address(&section, &bases, place, EhFrame::cie_from_offset).ok()?;
    let mut context = UnwindContext::new();
    let row = entry.unwind_info_for_address(&section, &bases, &mut context, place).ok()?;
    let rules = Rules { section: &section, row, registers, memory };
    rules.apply(entry.cie().return_address_register().0, entry.is_signal_trampoline())
}

/// One row of an unwind table, applied to one set of registers.
struct Rules<'a, 'b> {
    section: &'a EhFrame<Bytes<'b>>,
    row: &'a UnwindTableRow<usize>,
    registers: &'a Registers,
    memory: &'a dyn Peek,
}

impl Rules<'_, '_> {
    fn apply(&self, return_column: u16, signal: bool) -> Option<Caller> {
        let cfa = match self.row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                self.registers.get(register.0)?.wrapping_add_signed(*offset)
            }
            CfaRule::Expression(expression) => self.evaluate(expression, None)?,
        };
        let mut caller = *self.registers;
        caller.set(SP, Some(cfa));
        for (register, rule) in self.row.registers() {
            if register.0 == return_column && *rule == RegisterRule::Undefined {
                return Some(Caller { registers: None, signal });
            }
            caller.set(register.0, self.recover(register.0, rule, cfa));
        }
        caller.set(PC, caller.get(return_column).map(plain));
        caller.get(PC)?;
        Some(Caller { registers: Some(caller), signal })
    }

    fn recover(&self, register: u16, rule: &RegisterRule<usize>, cfa: u64) -> Option<u64> {
        match rule {
            RegisterRule::SameValue => self.registers.get(register),
            RegisterRule::Offset(offset) => self.memory.word(cfa.wrapping_add_signed(*offset)),
            RegisterRule::ValOffset(offset) => Some(cfa.wrapping_add_signed(*offset)),
            RegisterRule::Register(other) => self.registers.get(other.0),
            RegisterRule::Expression(expression) => {
                self.memory.word(self.evaluate(expression, Some(cfa))?)
            }
            RegisterRule::ValExpression(expression) => self.evaluate(expression, Some(cfa)),
            RegisterRule::Constant(value) => Some(*value),
            _ => None,
        }
    }

    /// Computes a DWARF expression that needs only registers and memory (DWARF 5 §2.5).
    fn evaluate(&self, at: &UnwindExpression<usize>, cfa: Option<u64>) -> Option<u64> {
        let expression: Expression<Bytes<'_>> = at.get(self.section).ok()?;
        let mut evaluation = expression.evaluation(WORD_ENCODING);
        evaluation.set_max_iterations(EXPRESSION_STEPS_MAX);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa);
        }
        let mut state = evaluation.evaluate().ok()?;
        loop {
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = self.registers.get(register.0)?;
                    evaluation.resume_with_register(Value::Generic(value)).ok()?
                }
                EvaluationResult::RequiresMemory { address, size, .. } => {
                    let value = self.part_word(address, size)?;
                    evaluation.resume_with_memory(Value::Generic(value)).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.as_result().first()?.location {
            gimli::Location::Address { address } => Some(address),
            _ => None,
        }
    }

    fn part_word(&self, address: u64, size: u8) -> Option<u64> {
        let mut bytes = [0; WORD as usize];
        self.memory.read(address, bytes.get_mut(..usize::from(size))?)?;
        Some(u64::from_le_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::sys::ptrace::{Change, Stop, Tracee};
    use crate::trace::memory::Memory;

    const ROUNDS: u64 = 400;

    /// Memory in which one bit of some reads is wrong.
    struct Damaged<'a> {
        memory: &'a Memory,
        seed: Cell<u64>,
    }

    impl Damaged<'_> {
        fn random(&self) -> usize {
            let next = self.seed.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            self.seed.set(next);
            (next >> 33) as usize
        }
    }

    impl Peek for Damaged<'_> {
        fn read(&self, address: u64, into: &mut [u8]) -> Option<()> {
            self.memory.read(address, into)?;
            let flips = 1 + into.len() / 512;
            for _ in 0..flips {
                if self.random().is_multiple_of(3) {
                    let at = self.random() % into.len().max(1);
                    if let Some(byte) = into.get_mut(at) {
                        *byte ^= 1 << (self.random() % 8);
                    }
                }
            }
            Some(())
        }
    }

    /// Stops a shell where it is about to die, and shows it to `look`.
    fn with_dying_shell(look: impl FnOnce(Registers, &Memory) + Send) {
        let mut shell = Command::new("sh")
            .args(["-c", "read go; kill -ABRT $$"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = shell.id() as i32;
        let input = shell.stdin.take();
        let watch = move || {
            let tracee = Tracee::seize(pid).unwrap();
            drop(input);
            loop {
                match tracee.wait().unwrap() {
                    Change::Stopped(thread, Stop::Signal(libc::SIGABRT)) => {
                        let memory = Memory::open(pid).unwrap();
                        return look(tracee.registers(thread).unwrap(), &memory);
                    }
                    Change::Stopped(thread, _) => tracee.resume(thread, 0).unwrap(),
                    other => panic!("{other:?}"),
                }
            }
        };
        std::thread::scope(|scope| scope.spawn(watch).join().unwrap());
        shell.wait().unwrap();
    }

    #[test]
    fn a_dynamic_program_is_traced_through_its_libraries() {
        with_dying_shell(|registers, memory| {
            let trace = unwind(registers, &memory.mappings(), memory);
            assert!(trace.complete && !trace.in_handler, "{trace:?}");
            let mut modules: Vec<_> = trace.frames.iter().map(|frame| frame.build_id).collect();
            modules.dedup();
            assert!(modules.len() >= 2, "{trace:?}");
        });
    }

    #[test]
    fn damaged_memory_gives_fewer_or_wrong_frames_and_nothing_else() {
        with_dying_shell(|registers, memory| {
            let mappings = memory.mappings();
            let panics = (0..ROUNDS).filter(|seed| {
                let damaged = Damaged { memory, seed: Cell::new(*seed) };
                let look = || unwind(registers, &mappings, &damaged);
                match std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)) {
                    Ok(trace) => {
                        assert!(trace.frames.len() <= FRAMES_MAX);
                        false
                    }
                    Err(_) => true,
                }
            });
            println!("{} of {ROUNDS} rounds end in a parser's panic", panics.count());
        });
    }
}
