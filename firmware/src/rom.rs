//! The ROM stage: verifies the program in a slot, derives its layer and starts it, or says why not
//! and waits for a recovery program (ROT-22).
//!
//! What is true of it: the program that starts is the copy in secure code memory that was verified
//! (ROT-15); it gets its layer and no more (ROT-16), and the device secret is hidden until the next
//! reset; interrupts are off; a stack that would outgrow the RAM faults instead of overwriting it;
//! a fault or a panic wipes the RAM, leaves a record and resets (FAIL-3); what is refused resets
//! nothing: it would be the same again. A blank chip has no secret, no owner and no
//! identity: there it starts whatever is in the slot, which is how a factory's program gets in
//! (ROT-17). Which slot it tries first, its marks say (ROT-19); they are believed for nothing else.
//!
//! Against a single instruction that is skipped (ROT-18): nothing but the ROM can be executed until
//! the end, and what opens code memory, and the address in it, is computed from what was compared.
//! Which faults were tried, and which not yet, is in `docs/src/drills.md`.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;
use core::sync::atomic::Ordering;
use cortex_m_rt::entry;
use craton_firmware::board::{self, Chip};
use craton_firmware::failure;
use craton_firmware::handover::{self, Asked, Handover};
use craton_firmware::landing::{CodeMemory, Landing};
use craton_firmware::leave::wipe_stack;
use craton_firmware::map;
use craton_firmware::stack;
use craton_firmware::start::{self, BLANK, HIDDEN, OWN_WORD, TOKEN};
use craton_firmware::table::Table;
use craton_firmware::uart::{Line, Uart};
use craton_firmware::watchdog;
use craton_firmware::whole::Board;
use craton_rot::engine::rom::{self, Runtime};
use craton_rot::mailbox::recovery;
use craton_rot::platform::SlotFlash as _;
use craton_rot::slots::{Marks, Slot};
use craton_rot::{Error, Result};
use craton_trust::compact::{Blinded, Compact};
use craton_trust::suit::ImageType;

/// At a fixed address, by the linker script.
// SAFETY: that section holds this table and nothing else.
#[unsafe(link_section = ".rom_table")]
#[used]
static TABLE: Table = Table::of::<Compact>();

#[entry]
fn main() -> ! {
    cortex_m::interrupt::disable();
    stack::limit();
    board::confine();
    let Some(Board { mut uart, mut chip }) = Board::take() else { halt() };
    let (mut code, asked) = (CodeMemory::of_the_rom(), handover::requested());
    let own = match rom::own(&Landing(&chip), &Compact) {
        Ok(own) => own,
        Err(error) => {
            refuse(&mut uart, "", error);
            halt()
        }
    };
    OWN_WORD.store(own.start, Ordering::Relaxed);
    let crypto = Blinded::by(own.mask, own.key);
    let marks = Slot::BOTH.map(|slot| chip.slot_marks(slot).unwrap_or(Marks::NONE));
    let good = rom::first_good(&marks, |slot, marks| {
        let package = code.package(slot, marks);
        let token = prepare(&mut chip, &crypto, package, Some((slot, marks)), asked);
        token.inspect_err(|error| refuse(&mut uart, of(slot), *error))
    });
    let decided = good.unwrap_or_else(|error| {
        if error == Error::SlotsEmpty {
            refuse(&mut uart, "", error);
        }
        recover(&mut uart, &mut chip, &crypto, &mut code)
    });
    match decided {
        Ok(decision) => {
            uart.say(&["rom: starts the runtime\n"]);
            // All of this may be executed: what is behind the program is signed by nobody.
            code.wipe_behind(decision.length, decision.complement);
            TOKEN.store(decision.token | decision.doubt(), Ordering::Relaxed);
            start()
        }
        Err(error) => {
            refuse(&mut uart, "", error);
            halt()
        }
    }
}

/// What was decided about a package: only with `rom::GO`, mixed with the chip's own word, its
/// program starts.
struct Decision {
    token: u32,
    /// Its complement. A refusal writes neither: what its place held before is no decision.
    counter: u32,
    /// Bytes of the program.
    length: usize,
    /// Its complement, as it was read once more.
    complement: usize,
}

impl Decision {
    fn of(token: u32, program: &[u8]) -> Self {
        let (length, complement) = (program.len(), !black_box(program).len());
        Self { token, counter: !black_box(token), length, complement }
    }

    /// All ones if it is none, or its length another one (ROT-18).
    fn doubt(&self) -> u32 {
        let token = self.token ^ black_box(self.counter);
        let other = !(token & (self.length ^ black_box(self.complement)) as u32);
        ((other | other.wrapping_neg()).cast_signed() >> 31).cast_unsigned()
    }
}

/// Waits for a recovery program (ROT-22). No layer was derived: the RAM holds no key meanwhile but
/// what `crypto` mixes and blinds by.
fn recover(
    uart: &mut Uart,
    chip: &mut Chip,
    crypto: &Blinded,
    code: &mut CodeMemory,
) -> Result<Decision> {
    uart.say(&["rom: waits for recovery\n"]);
    type SecureLine = Line<{ map::LINE + map::SECURE_ALIAS }>;
    let line = SecureLine::start();
    recovery::wait(
        code,
        || loop {
            match line.receive() {
                Some(byte) => break byte,
                None => line.wait(),
            }
        },
        SecureLine::answer,
        |package| {
            let token = prepare(chip, crypto, package, None, Asked::RECOVERY);
            token.inspect_err(|error| refuse(uart, "wire ", *error))
        },
    )
}

/// Says what was refused: of which slot, or of none. Deciding read the state, and left copies of
/// its secret on the stack (ROT-23).
#[inline(never)] // as below
fn refuse(uart: &mut Uart, slot: &'static str, error: Error) {
    wipe_stack();
    uart.say(&["rom: ", slot, "refused E"]);
    uart.number(error.code());
}

const fn of(slot: Slot) -> &'static str {
    match slot {
        Slot::A => "slot A ",
        Slot::B => "slot B ",
    }
}

/// Decides about a package, from a slot or from the wire, and leaves the handover. What fails after
/// the decision is final: what memory holds of a good program is not there when another one is
/// looked at (ROT-18).
#[inline(never)] // so that it is there once
fn prepare(
    chip: &mut Chip,
    crypto: &Blinded,
    package: &[u8],
    from: Option<(Slot, &Marks)>,
    asked: Asked,
) -> Result<Result<Decision>> {
    // What a second look at the count begins with is read apart from what the count begins with.
    let before = from.map_or(Ok(Marks::NONE), |(slot, _)| chip.slot_marks(slot))?;
    // Before the decision: a trial whose start cannot be counted is refused like any other, and the
    // next slot is looked at.
    from.map_or(Ok(()), |(slot, marks)| chip.count_start(slot, marks))?;
    let wanted = if from.is_some() { ImageType::RootOfTrust } else { ImageType::Recovery };
    match rom::select(&Landing(chip), crypto, wanted, package) {
        Ok(runtime) => {
            let from = from.map(|(slot, marks)| (slot, [marks, &before]));
            let token = enter(chip, &runtime, from, asked);
            Ok(token.map(|token| Decision::of(token, runtime.program())))
        }
        Err(Error::NotManufactured) if from.is_some() => {
            let program = rom::unverified(package)?; // ROT-17
            Ok(enter_blank(chip).map(|token| Decision::of(token, program)))
        }
        Err(error) => Err(error),
    }
}

#[inline(never)] // as above
fn enter(
    chip: &mut Chip,
    runtime: &Runtime<'_>,
    from: Option<(Slot, [&Marks; 2])>,
    asked: Asked,
) -> Result<u32> {
    let slot = from.map(|(slot, _)| slot);
    let layer = runtime.layer(chip, &Compact, asked.start, slot)?;
    failure::runs(&runtime.digest()); // before its first instruction: that may be what fails
    let doubt = match from {
        Some((slot, [marks, before])) => {
            before.doubt_other(marks) | before.doubt_counted(&chip.slot_marks(slot)?)
        }
        None => 0,
    };
    let doubt = doubt | runtime.doubt_layer(&*chip, &layer, asked.unasked)?;
    let handover = Handover::Layer(layer);
    handover.leave()?;
    let doubt = doubt | handover.doubt(runtime, slot) | failure::doubt_runs(&runtime.digest());
    let elsewhere = black_box(runtime.program()).as_ptr().addr() ^ map::CODE;
    let token = runtime.token() ^ HIDDEN ^ chip.hidden_word() ^ doubt ^ elsewhere as u32;
    Ok(token ^ OWN_WORD.load(Ordering::Relaxed))
}

#[inline(never)] // as above
fn enter_blank(chip: &Chip) -> Result<u32> {
    Handover::Blank.leave()?;
    Ok(rom::GO ^ BLANK ^ chip.blank_word() ^ OWN_WORD.load(Ordering::Relaxed))
}

/// Gives the chip to the program in code memory, if the token is right.
#[inline(never)]
fn start() -> ! {
    watchdog::start();
    board::open();
    // SAFETY: a token is right of a program that was signed for this place, or on a blank chip.
    unsafe { start::start() }
}

craton_firmware::resets_on_failure!(failure::ROM);

// SAFETY: the handlers' code has this symbol, uses no stack, and never returns.
unsafe extern "C" {
    fn refused() -> !;
}

/// Wipes all of the RAM, and waits until power goes.
fn halt() -> ! {
    // SAFETY: nothing of this stage is used again.
    unsafe { refused() }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    failed()
}
