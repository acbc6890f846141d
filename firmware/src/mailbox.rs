//! The mailbox: the non-secure program. It reads the line, finds frames, parses messages and asks
//! the secure side by its gate. It holds no secret; a fault here resets the chip (FAIL-3) and
//! gives nothing.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::ptr;
use cortex_m_rt::entry;
use craton_firmware::gate::Block;
use craton_firmware::map;
use craton_firmware::timer;
use craton_firmware::uart::Line;
use craton_rot::Error;
use craton_rot::mailbox::{Answer, Call, Post};

/// A buffer that `main` takes once.
struct Buffer<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: only `main` touches it.
unsafe impl<const N: usize> Sync for Buffer<N> {}

static ROOM: Buffer<{ map::FRAME_MAX }> = Buffer(UnsafeCell::new([0; map::FRAME_MAX]));

#[entry]
fn main() -> ! {
    cortex_m::interrupt::disable();
    let line = Line::<{ map::LINE }>::start();
    timer::start();
    // SAFETY: `main` runs once, and takes it once.
    let room = unsafe { &mut *ROOM.0.get() };
    let mut post = Post::new(&mut room[..]);
    loop {
        if timer::is_time() {
            enter(0); // this side comes round
        }
        let Some(byte) = line.receive() else {
            line.wait();
            continue;
        };
        if post.take(byte, ask, |bytes| bytes.iter().for_each(|byte| line.send(*byte))) {
            line.drain();
            enter(0); // the reply is on the line
        }
    }
}

/// Passes a call through the gate.
#[inline(never)] // its block is not on the stack while a frame is read or written
fn ask(call: &Call<'_>, out: &mut [u8]) -> Answer {
    let mut block = Block::EMPTY;
    block.ask(call, out);
    if enter((&raw mut block).expose_provenance() as u32) != 0 {
        return Answer::refusal(Error::GateRefused);
    }
    // The secure side wrote to it: its address was exposed.
    block.answered().unwrap_or_else(Answer::refusal)
}

/// The gate.
fn enter(at: u32) -> u32 {
    let gate = ptr::with_exposed_provenance::<()>(map::GATE | 1);
    // SAFETY: the gate is a function of this type: it takes and gives a number in r0, and keeps
    // what a callee keeps.
    let gate: extern "C" fn(u32) -> u32 = unsafe { core::mem::transmute(gate) };
    gate(at)
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    cortex_m::asm::udf() // a fault, which is the secure side's to handle
}
