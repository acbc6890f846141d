//! The runtime: the root of trust itself, in secure state.
//!
//! What is true of it: keys, counters, sealing and attestation are here, and nothing here parses
//! what came over a line; the non-secure side enters by one gate with one flat block (MBX-5), and
//! gets no register back that held anything of this side. Interrupts are off while it runs. A fault
//! of either side or a panic wipes all RAM, leaves a record and resets (FAIL-3).
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use core::ptr;
use cortex_m_rt::entry;
use craton_firmware::board;
use craton_firmware::failure;
use craton_firmware::gate::{BLOCK_SIZE, Block, Place};
use craton_firmware::handover::{self, Handover};
use craton_firmware::leave::start_other_side;
use craton_firmware::stack;
use craton_firmware::table::Rom;
use craton_firmware::watchdog;
use craton_firmware::whole::Board;
use craton_firmware::{map, partition};
use craton_rot::engine::{self, Engine, Layer0, Manufacture};
use craton_rot::mailbox::{Answer, Call, Chip, ENTROPY_SIZE, Runs, serve};
use craton_rot::{ChipFailure, Error, Result, Start};
use craton_trust::ComponentId;

/// The gate. `sg` is the only instruction of the secure side that the non-secure side may go to.
/// Interrupts are off on this side from the entry on, so that no call begins inside another.
mod veneer {
    core::arch::global_asm!(
        ".section .gate, \"ax\", %progbits",
        ".thumb",
        ".balign 32",
        ".global gate",
        ".type gate, %function",
        ".thumb_func",
        "gate:",
        "sg",
        "b.w gate_body",
        ".balign 32",
        ".text",
        ".thumb_func",
        "gate_body:",
        "push {{r0, lr}}",
        "bl {body}",
        // What the call left on the stack.
        "mrs r1, msplim",
        "mov r2, sp",
        "movs r3, #0",
        "0:",
        "cmp r1, r2",
        "bhs 1f",
        ".global gate_wipe",
        "gate_wipe:",
        "str r3, [r1], #4",
        "b 0b",
        "1:",
        "pop {{r1, lr}}",
        "movs r1, #0",
        "mov r2, r1",
        "mov r3, r1",
        "mov r12, r1",
        "msr apsr_nzcvq, r1",
        ".global gate_end",
        "gate_end:",
        "bxns lr",
        body = sym super::enter,
    );
}

/// The one device of this program.
struct Device {
    rom: Rom,
    /// While it has an identity.
    engine: Option<Engine<board::Chip, Rom>>,
    /// While it has none.
    blank: Option<board::Chip>,
    /// Why it has no engine.
    refused: Error,
    /// Asked for; nothing else is answered until it happened.
    reset: bool,
    /// That of this program, if a ROM verified it.
    component: Option<ComponentId>,
}

impl Device {
    /// Starts in its place: an engine is too large to be on the stack as well.
    #[inline(never)] // its rooms are gone before the other side runs
    fn start(&mut self, mut chip: board::Chip) -> Result<()> {
        let seeded = chip.seed(board_hmac);
        match Handover::take()? {
            Handover::Layer(layer) => {
                self.component = layer.component();
                seeded?;
                chip.hidden();
                self.resume(chip, layer)?;
            }
            Handover::Blank => self.blank = Some(chip),
        }
        Ok(())
    }
}

impl Device {
    #[inline(never)] // as above, apart from those of the handover
    fn resume(&mut self, chip: board::Chip, layer: Layer0) -> Result<()> {
        Engine::resume_in(&mut self.engine, chip, self.rom, layer)
    }

    #[inline(never)] // as above
    fn provision(&mut self, with: &Manufacture<'_>) -> Result<()> {
        let chip = self.blank.as_mut().ok_or(self.refused)?;
        engine::provision(chip, &self.rom, with)
    }
}

impl Chip for Device {
    type Rot = Engine<board::Chip, Rom>;

    fn runs(&self) -> Runs {
        Runs::Runtime
    }

    fn frame_max(&self) -> usize {
        map::FRAME_MAX
    }

    fn rot(&mut self) -> Result<&mut Self::Rot> {
        if self.reset {
            return Err(Error::ResetNeeded);
        }
        self.engine.as_mut().ok_or(self.refused)
    }

    fn manufacture(&mut self, with: &Manufacture<'_>, entropy: &[u8; ENTROPY_SIZE]) -> Result<()> {
        if self.reset {
            return Err(Error::ResetNeeded);
        }
        if self.engine.is_some() {
            return Err(Error::AlreadyManufactured);
        }
        let chip = self.blank.as_mut().ok_or(self.refused)?;
        chip.stir(entropy)?;
        self.provision(with)?;
        self.reset = true;
        Ok(())
    }

    fn restart(&mut self, start: Start) -> Result<()> {
        handover::request(start);
        self.reset = true;
        Ok(())
    }

    fn take_failure(&mut self) -> Option<ChipFailure> {
        failure::take(self.component)
    }

    fn stir(&mut self, entropy: &[u8; ENTROPY_SIZE]) -> Result<()> {
        match (&mut self.engine, &mut self.blank) {
            (Some(engine), _) => engine.platform_mut().stir(entropy),
            (None, Some(chip)) => chip.stir(entropy),
            (None, None) => Err(self.refused),
        }
    }
}

fn board_hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    use craton_trust::crypto::Crypto as _;
    match Rom::find() {
        Some(rom) => rom.hmac_sha512(key, parts),
        None => failed(),
    }
}

/// What the gate finds. It holds nothing until `main` filled it: a value here would stand in the
/// program, too.
struct Cell(UnsafeCell<MaybeUninit<Device>>);

// SAFETY: one core, and interrupts are off on this side: `main` fills it before the non-secure side
// runs, and calls of the gate follow one another.
unsafe impl Sync for Cell {}

static DEVICE: Cell = Cell(UnsafeCell::new(MaybeUninit::uninit()));

#[entry]
fn main() -> ! {
    cortex_m::interrupt::disable();
    stack::limit();
    let (Some(Board { chip, .. }), Some(rom)) = (Board::take(), Rom::find()) else { failed() };
    // SAFETY: as `Cell` says: the only access so far. Every field is written before it is read.
    let device = unsafe {
        let place = (*DEVICE.0.get()).as_mut_ptr();
        (&raw mut (*place).rom).write(rom);
        (&raw mut (*place).engine).write(None);
        (&raw mut (*place).blank).write(None);
        (&raw mut (*place).refused).write(Error::NotManufactured);
        (&raw mut (*place).reset).write(false);
        (&raw mut (*place).component).write(None);
        &mut *place
    };
    if let Err(error) = device.start(chip) {
        device.refused = error;
    }
    partition::divide();
    start_other_side()
}

/// Where the gate goes on: `at` is the address of a [`Block`], or 0 when none is under way: a reply
/// is on the line, or nothing came.
extern "C" fn enter(at: u32) -> u32 {
    watchdog::feed(); // both sides come round
    // SAFETY: as `Cell` says: it is filled, and no other access is under way.
    let device = unsafe { (*DEVICE.0.get()).assume_init_mut() };
    if at == 0 {
        if device.reset {
            partition::reset();
        }
        return 0;
    }
    let place = Place { at, length: BLOCK_SIZE as u32 };
    if !place.is_non_secure() || !at.is_multiple_of(8) {
        return 1;
    }
    let block = ptr::with_exposed_provenance_mut::<Block>(at as usize);
    // SAFETY: it lies in memory of the non-secure side, aligned, and every bit pattern is a block;
    // a copy, so that what is checked is what is used (MBX-5).
    let mut copy = unsafe {
        let mut copy = MaybeUninit::uninit();
        copy_words(block, copy.as_mut_ptr());
        copy.assume_init()
    };
    if let Err(error) = call(device, &mut copy, place) {
        refuse(&mut copy, error);
    }
    // SAFETY: as above.
    unsafe { copy_words(&raw const copy, block) };
    0
}

/// Copies a block word by word, each once.
///
/// # Safety
/// One can be read and the other written.
#[inline(never)]
unsafe fn copy_words(from: *const Block, to: *mut Block) {
    let (from, to) = (from.cast::<MaybeUninit<u32>>(), to.cast::<MaybeUninit<u32>>());
    for word in 0..BLOCK_SIZE / size_of::<u32>() {
        // SAFETY: a block is whole words, some of them padding.
        unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
    }
}

#[inline(never)] // its call is not on the stack beside the block
fn call(device: &mut Device, block: &mut Block, own: Place) -> Result<()> {
    block.check(own)?;
    let numbers = block.numbers.get(..block.number_count as usize).ok_or(Error::CallShape)?;
    let mut call = Call::EMPTY;
    call.begin(u64::from(block.operation), numbers)?;
    for from in block.bytes.iter().take(block.byte_count as usize) {
        let at = ptr::with_exposed_provenance::<u8>(from.at as usize);
        // SAFETY: `check`: it lies in memory of the non-secure side, which nothing writes during
        // the call but `out`, which is apart.
        call.push(unsafe { core::slice::from_raw_parts(at, from.length as usize) })?;
    }
    let at = ptr::with_exposed_provenance_mut::<u8>(block.out.at as usize);
    // SAFETY: as above.
    let out = unsafe { core::slice::from_raw_parts_mut(at, block.out.length as usize) };
    block.answer(&serve(device, &call, out));
    Ok(())
}

#[inline(never)] // nor is its answer
fn refuse(block: &mut Block, error: Error) {
    block.answer(&Answer::refusal(error));
}

craton_firmware::resets_on_failure!(failure::RUNTIME);

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    failed()
}
