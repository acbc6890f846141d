//! Twelve mistakes, one of which its first argument chooses. When it crashes it writes its own
//! trace: one line `frame` with a linked address for each frame, and before it the signal.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

// SAFETY: as the unwinder and the C library on x86-64 Linux declare them.
unsafe extern "C" {
    fn _Unwind_Backtrace(each: extern "C" fn(*mut u8, *mut u8) -> i32, state: *mut u8) -> i32;
    fn _Unwind_GetIPInfo(context: *mut u8, before: *mut i32) -> usize;
    fn sigaction(signal: i32, action: *const Action, old: *mut u8) -> i32;
    fn sigaltstack(stack: *const Stack, old: *mut u8) -> i32;
    fn _exit(code: i32) -> !;
    static __ehdr_start: u8;
}

/// `struct sigaction` and `stack_t` of the C library on x86-64.
#[repr(C)]
struct Action(extern "C" fn(i32), [u64; 16], i32, usize);
#[repr(C)]
struct Stack(*mut u8, i32, usize);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
const ON_STACK_WITHOUT_MASK: i32 = 0x0800_0000 | 0x4000_0000;

extern "C" fn each_frame(context: *mut u8, _: *mut u8) -> i32 {
    let mut before = 0;
    // SAFETY: the unwinder gives a context that is valid for this call.
    let pc = unsafe { _Unwind_GetIPInfo(context, &mut before) };
    let exact = before != 0;
    // What lies inside the handler is no part of the crash.
    if INTERRUPTED.load(Ordering::Relaxed) || exact {
        INTERRUPTED.store(true, Ordering::Relaxed);
        let base = &raw const __ehdr_start as usize;
        println!("frame {}", pc.wrapping_sub(base).wrapping_sub(usize::from(!exact)));
    }
    0
}

extern "C" fn on_crash(signal: i32) {
    println!("signal {signal}");
    // SAFETY: not made for handlers, but the program stands still and ends here.
    unsafe {
        _Unwind_Backtrace(each_frame, std::ptr::null_mut());
        _exit(0)
    }
}

struct Sensor {
    samples: Vec<i32>,
    name: Option<String>,
}

impl Sensor {
    #[inline(never)]
    fn mean(&self) -> i32 {
        self.samples.iter().sum::<i32>() / (self.samples.len() as i32)
    }

    #[inline(never)]
    fn nth(&self, at: usize) -> i32 {
        self.samples[at]
    }

    #[inline(never)]
    fn label(&self) -> &str {
        self.name.as_ref().unwrap()
    }
}

#[inline(never)]
fn parse_port(text: &str) -> u16 {
    text.parse().expect("a port")
}

/// Small enough to be inlined where the optimiser is on.
fn checked_level(level: u32) -> u32 {
    assert!(level <= 100, "level out of range");
    level
}

#[inline(never)]
fn set_lamp(level: u32) -> u32 {
    black_box(checked_level(black_box(level))) + 1
}

#[inline(never)]
fn set_fan(level: u32) -> u32 {
    black_box(checked_level(black_box(level))) + 2
}

#[inline(never)]
fn read_register(address: usize) -> u32 {
    // SAFETY: none: this is to crash.
    unsafe { (black_box(address) as *const u32).read_volatile() }
}

#[inline(never)]
fn poll_modem(address: usize) -> u32 {
    read_register(address) & 1
}

#[inline(never)]
fn poll_meter(address: usize) -> u32 {
    read_register(address) & 2
}

#[inline(never)]
fn walk(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if black_box(depth) == u64::MAX { 0 } else { walk(depth + 1) + frame[9] }
}

#[inline(never)]
fn give_up() {
    std::process::abort()
}

#[inline(never)]
fn borrow_twice() {
    let cell = std::cell::RefCell::new(1);
    let _first = cell.borrow_mut();
    *black_box(&cell).borrow_mut() = 2;
}

#[inline(never)]
fn slice_name(name: &str) -> &str {
    &name[..black_box(1)]
}

/// A change elsewhere in the program, as between two releases.
#[cfg(moved)]
#[inline(never)]
fn unrelated(text: &str) -> usize {
    let words: std::collections::BTreeMap<&str, usize> =
        text.split('-').enumerate().map(|(at, word)| (word, at)).collect();
    println!("{words:?}");
    words.len()
}

fn run(mistake: &str) {
    #[cfg(moved)]
    black_box(unrelated(mistake));
    let empty = black_box(Sensor { samples: Vec::new(), name: None });
    match mistake {
        "divide-by-zero" => drop(black_box(empty.mean()).to_string()),
        "index" => drop(black_box(empty.nth(3)).to_string()),
        "none" => drop(black_box(empty.label()).to_owned()),
        "parse" => drop(black_box(parse_port("eighty")).to_string()),
        "assert-lamp" => drop(black_box(set_lamp(101)).to_string()),
        "assert-fan" => drop(black_box(set_fan(101)).to_string()),
        "null-modem" => drop(black_box(poll_modem(8)).to_string()),
        "null-meter" => drop(black_box(poll_meter(8)).to_string()),
        "overflow" => drop(black_box(walk(1)).to_string()),
        "abort" => give_up(),
        "borrow" => borrow_twice(),
        "slice" => drop(black_box(slice_name("é")).to_owned()),
        _ => {}
    }
    black_box(&empty);
}

fn main() {
    let stack = Box::leak(vec![0u8; 1 << 16].into_boxed_slice());
    // SAFETY: the stack and the actions are whole, and the stack is never freed.
    unsafe { sigaltstack(&Stack(stack.as_mut_ptr(), 0, stack.len()), std::ptr::null_mut()) };
    for signal in [4, 5, 6, 7, 8, 11] {
        let action = Action(on_crash, [0; 16], ON_STACK_WITHOUT_MASK, 0);
        // SAFETY: as above.
        unsafe { sigaction(signal, &action, std::ptr::null_mut()) };
    }
    std::panic::set_hook(Box::new(|_| {}));
    run(&std::env::args().nth(1).unwrap_or_default());
}
