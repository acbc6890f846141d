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
//! the end, and the address that it jumps to is computed from what was compared. Which faults were
//! tried, and which not yet, is in `docs/src/drills.md`.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;
use core::ptr;
use cortex_m_rt::entry;
use craton_firmware::board::{self, Chip};
use craton_firmware::failure;
use craton_firmware::handover::{self, Asked, Handover};
use craton_firmware::leave::wipe_stack;
use craton_firmware::map;
use craton_firmware::stack;
use craton_firmware::table::Table;
use craton_firmware::uart::{Line, Uart};
use craton_firmware::watchdog;
use craton_firmware::whole::Board;
use craton_rot::engine::rom::{self, Runtime};
use craton_rot::mailbox::recovery;
use craton_rot::platform::SlotFlash as _;
use craton_rot::slots::{Marks, Slot};
use craton_rot::{Error, Result};
use craton_trust::compact::Compact;
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
    let (code, asked) = (code_memory(), handover::requested());
    let marks = Slot::BOTH.map(|slot| chip.slot_marks(slot).unwrap_or(Marks::NONE));
    let good = rom::first_good(&marks, |slot, marks| {
        let package = chip.package(slot, marks, code);
        let token = prepare(&mut chip, package, Some((slot, marks)), asked);
        token.inspect_err(|error| refuse(&mut uart, of(slot), *error))
    });
    let decided = good.unwrap_or_else(|error| {
        if error == Error::SlotsEmpty {
            refuse(&mut uart, "", error);
        }
        recover(&mut uart, &mut chip, code)
    });
    match decided {
        Ok((token, length)) => {
            uart.line(&["rom: starts the runtime"]);
            // What was refused before it was longer, perhaps, and all of this may be executed.
            code.get_mut(length..).unwrap_or_default().fill(0);
            start(code, token)
        }
        Err(error) => {
            refuse(&mut uart, "", error);
            halt()
        }
    }
}

/// Waits for a recovery program (ROT-22). No layer was derived: the RAM holds no key meanwhile.
fn recover(uart: &mut Uart, chip: &mut Chip, code: &mut [u8]) -> Result<(u32, usize)> {
    uart.line(&["rom: waits for recovery"]);
    let line = Line::start(map::LINE + map::SECURE_ALIAS);
    recovery::wait(
        code,
        || loop {
            match line.receive() {
                Some(byte) => break byte,
                None => line.wait(),
            }
        },
        |bytes| bytes.iter().for_each(|byte| line.send(*byte)),
        |package| {
            let token = prepare(chip, package, None, Asked::RECOVERY);
            token.inspect_err(|error| refuse(uart, "wire ", *error))
        },
    )
}

/// Says what was refused: of which slot, or of none. Deciding read the state, and left copies of
/// its secret on the stack (ROT-23).
#[inline(never)] // as below
fn refuse(uart: &mut Uart, slot: &str, error: Error) {
    wipe_stack();
    let mut digits = [0u8; 5];
    uart.line(&["rom: ", slot, "refused E", decimal(error.code(), &mut digits)]);
}

/// Code memory, for the one copy of a package that is verified and started. `main` takes it, once.
fn code_memory() -> &'static mut [u8] {
    let code = ptr::with_exposed_provenance_mut(map::CODE);
    // SAFETY: the region is memory, this stage's linker script ends 464 KiB below it, and there is
    // one call of this.
    unsafe { core::slice::from_raw_parts_mut(code, map::CODE_SIZE) }
}

const fn of(slot: Slot) -> &'static str {
    match slot {
        Slot::A => "slot A ",
        Slot::B => "slot B ",
    }
}

/// Decides about a package, from a slot or from the wire, and leaves the handover. What it gives is
/// a token and the package's length: only with `rom::GO` the program starts. What fails after the
/// decision is final: what memory holds of a good program is not there when another one is looked
/// at (ROT-18).
#[inline(never)] // so that it is there once
fn prepare(
    chip: &mut Chip,
    package: &[u8],
    from: Option<(Slot, &Marks)>,
    asked: Asked,
) -> Result<Result<(u32, usize)>> {
    // What a second look at the count begins with is read apart from what the count begins with.
    let before = from.map_or(Ok(Marks::NONE), |(slot, _)| chip.slot_marks(slot))?;
    // Before the decision: a trial whose start cannot be counted is refused like any other, and the
    // next slot is looked at.
    from.map_or(Ok(()), |(slot, marks)| chip.count_start(slot, marks))?;
    let wanted = if from.is_some() { ImageType::RootOfTrust } else { ImageType::Recovery };
    match rom::select(chip, &Compact, wanted, package) {
        Ok(runtime) => {
            let token = enter(chip, &runtime, from.map(|(slot, _)| (slot, &before)), asked);
            Ok(token.map(|token| (token, package.len())))
        }
        Err(Error::NotManufactured) if from.is_some() => {
            rom::unverified(package)?; // ROT-17
            Ok(enter_blank(chip).map(|token| (token, package.len())))
        }
        Err(error) => Err(error),
    }
}

#[inline(never)] // as above
fn enter(
    chip: &mut Chip,
    runtime: &Runtime<'_>,
    from: Option<(Slot, &Marks)>,
    asked: Asked,
) -> Result<u32> {
    let layer = runtime.layer(chip, &Compact, asked.start, from.map(|(slot, _)| slot))?;
    failure::runs(&runtime.digest()); // before its first instruction: that may be what fails
    let doubt = match from {
        Some((slot, before)) => before.doubt_counted(&chip.slot_marks(slot)?),
        None => 0,
    };
    let doubt = doubt | runtime.doubt_mode(&layer, asked.unasked);
    Handover::Layer(layer).leave()?;
    let elsewhere = black_box(runtime.program()).as_ptr().addr() ^ map::CODE;
    Ok(runtime.token() ^ chip.doubt_hidden() ^ doubt ^ elsewhere as u32)
}

#[inline(never)] // as above
fn enter_blank(chip: &Chip) -> Result<u32> {
    Handover::Blank.leave()?;
    Ok(rom::GO ^ chip.doubt_blank())
}

/// Gives the chip to the program in code memory. Any doubt in the token leaves that closed, and
/// makes the program's address one where nothing is: no branch decides (ROT-18).
#[inline(never)]
#[expect(named_asm_labels, reason = "a test names the instruction; this function is there once")]
fn start(program: &[u8], token: u32) -> ! {
    let doubt = black_box(token) ^ rom::GO;
    let doubt = ((doubt | doubt.wrapping_neg()).cast_signed() >> 31).cast_unsigned();
    watchdog::start();
    board::open(doubt);
    let table = program.as_ptr().map_addr(|address| address | black_box(doubt) as usize);
    // SAFETY: the program was signed for this place, or the chip is blank: it begins with its
    // vector table, and is aligned as `map::CODE` is. Nothing of this stage is used again.
    unsafe {
        // ROT-16: what this stage left in its RAM and registers goes before the program comes:
        // copies of keys that no destructor reaches. From here on there is no stack.
        core::arch::asm!(
            // A doubted address faults here, while the vector table is still this stage's: its
            // handler wipes the RAM (FAIL-3).
            "ldr r2, [r4]",
            "ldr r3, [r4, #4]",
            "str r4, [r8]",
            "dsb",
            "isb",
            "msr msplim, r5",
            ".global rom_wipe",
            "rom_wipe:",
            "str r5, [r0], #4",
            "cmp r0, r1",
            "blo rom_wipe",
            "msr msp, r2",
            "mov r0, r5",
            "mov r1, r5",
            "mov r2, r5",
            "mov r4, r5",
            "mov r6, r5",
            "mov r7, r5",
            "mov r8, r5",
            "mov r9, r5",
            "mov r10, r5",
            "mov r11, r5",
            "mov r12, r5",
            "mov lr, r5",
            "bx r3",
            "udf #0",
            in("r0") map::RAM_FIRST,
            in("r1") map::HANDOVER,
            in("r4") table,
            in("r8") VTOR,
            in("r5") 0,
            options(noreturn)
        )
    }
}

/// Where the address of the vector table is set.
const VTOR: usize = 0xe000_ed08;

/// A number in decimal digits.
fn decimal(number: u16, room: &mut [u8; 5]) -> &str {
    let mut rest = number;
    let mut from = room.len();
    for (place, digit) in room.iter_mut().enumerate().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        from = place;
        if rest == 0 {
            break;
        }
    }
    room.get(from..).and_then(|digits| core::str::from_utf8(digits).ok()).unwrap_or("")
}

craton_firmware::resets_on_failure!(failure::ROM);

/// Wipes all of the RAM, and waits until power goes.
fn halt() -> ! {
    // SAFETY: the handlers' code has this symbol, uses no stack, and never returns.
    unsafe extern "C" {
        fn refused() -> !;
    }
    // SAFETY: nothing of this stage is used again.
    unsafe { refused() }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    failed()
}
