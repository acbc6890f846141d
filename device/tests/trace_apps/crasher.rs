//! Crashes in the way its first argument names, inside functions that a trace must show.

use std::hint::black_box;

// SAFETY: as the C library on 64-bit Linux declares them.
unsafe extern "C" {
    fn mmap(at: *mut u8, length: usize, protect: i32, flags: i32, file: i32, from: i64) -> *mut u8;
    fn syscall(number: i64, ...) -> i64;
    fn raise(signal: i32) -> i32;
    fn signal(signal: i32, handler: extern "C" fn(i32)) -> usize;
    fn prctl(option: i32, ...) -> i32;
    fn _exit(code: i32) -> !;
}

struct Secrets {
    _heap: String,
    _stack: [u8; 64],
}

#[inline(never)]
fn outer(kind: &str) {
    let secret = std::env::var("CRASHER_SECRET").unwrap_or_default();
    let mut stack = [0u8; 64];
    stack.iter_mut().zip(secret.bytes()).for_each(|(place, byte)| *place = byte);
    let secrets = black_box(Secrets { _heap: secret.repeat(20), _stack: stack });
    middle(kind);
    black_box(&secrets);
}

#[inline(never)]
fn middle(kind: &str) {
    inner(kind);
    black_box(kind);
}

#[inline(never)]
fn inner(kind: &str) {
    match kind {
        "abort" => std::process::abort(),
        "panic" => panic!("as asked"),
        "overflow" => drop(black_box(recurse(1))),
        "null" => drop(black_box(read_at(0x10))),
        "unmapped" => drop(black_box(read_at(0x1234_5678_0000))),
        "noncanonical" => drop(black_box(read_at(0xdead_beef_0000_0000))),
        "text" => write_at(inner as fn(&str) as usize),
        "jump" => jump(0x1234_5678_0000),
        "bus" => bus_error(),
        "divide" => divide_trap(),
        "illegal" => illegal(),
        "trap" => trap(),
        "thread" => std::thread::Builder::new()
            .name("worker".into())
            .spawn(|| _ = black_box(read_at(0x20)))
            .unwrap()
            .join()
            .unwrap(),
        "thread-overflow" => drop(std::thread::spawn(|| recurse(1)).join()),
        "refused-trap" => refused_call(0x0003_0000),
        "refused-kill" => refused_call(0x8000_0000),
        "handler-exit" => handler_exit(),
        "handled" => handled(),
        "hide" => hide(),
        "leave" => std::process::exit(3),
        "wait" => {
            println!("here");
            std::thread::sleep(std::time::Duration::from_secs(600));
        }
        "busy" => busy(),
        _ => {}
    }
    black_box(kind);
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    if black_box(depth) == 0 { 0 } else { recurse(depth + 1) + frame[3] }
}

#[inline(always)]
fn illegal() {
    // SAFETY: none: this is to crash.
    unsafe { std::arch::asm!("ud2") }
}

#[inline(always)]
fn trap() {
    // SAFETY: none: this is to crash.
    unsafe { std::arch::asm!("int3") }
}

#[inline(never)]
fn read_at(address: usize) -> u8 {
    // SAFETY: none: this is to crash.
    unsafe { (black_box(address) as *const u8).read_volatile() }
}

#[inline(never)]
fn write_at(address: usize) {
    // SAFETY: none: this is to crash.
    unsafe { (black_box(address) as *mut u8).write_volatile(0) }
}

#[inline(never)]
fn jump(address: usize) {
    // SAFETY: none: this is to crash.
    let to: extern "C" fn() = unsafe { std::mem::transmute(black_box(address)) };
    to();
    black_box(());
}

#[inline(never)]
fn divide_trap() {
    // SAFETY: none: this is to crash. It changes only the registers it names.
    unsafe {
        std::arch::asm!(
            "xor ecx, ecx",
            "mov eax, 1",
            "cdq",
            "idiv ecx",
            out("eax") _,
            out("ecx") _,
            out("edx") _,
        )
    }
}

#[inline(never)]
fn bus_error() {
    use std::os::fd::AsRawFd;
    let path = std::env::temp_dir().join(format!("crasher-{}", std::process::id()));
    let file =
        std::fs::File::options().create_new(true).read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    // SAFETY: the kernel chooses the place, and nothing else knows of it.
    let page = unsafe { mmap(std::ptr::null_mut(), 4096, 1, 1, file.as_raw_fd(), 0) };
    black_box(read_at(page as usize));
}

/// Lets the kernel answer `getppid` with a seccomp action, then asks it.
#[inline(never)]
fn refused_call(action: u32) {
    #[repr(C)]
    struct Step(u16, u8, u8, u32);
    #[repr(C)]
    struct Program(u16, *const Step);
    let steps = [
        Step(0x20, 0, 0, 0),
        Step(0x15, 0, 1, 110),
        Step(0x06, 0, 0, action),
        Step(0x06, 0, 0, 0x7fff_0000),
    ];
    let program = Program(4, steps.as_ptr());
    // SAFETY: `program` and `steps` outlive the calls, which only read them.
    unsafe {
        prctl(38, 1u64, 0u64, 0u64, 0u64);
        prctl(22, 2u64, &program);
        syscall(110);
    }
}

extern "C" fn leave_with_9(_: i32) {
    // SAFETY: has no preconditions, and may be called in a handler.
    unsafe { _exit(9) }
}

extern "C" fn count(_: i32) {}

#[inline(never)]
fn handler_exit() {
    // SAFETY: the handler only leaves.
    unsafe { signal(11, leave_with_9) };
    black_box(read_at(0x10));
}

/// Survives 100 signals that would mean a crash, then leaves in good order.
#[inline(never)]
fn handled() {
    // SAFETY: the handler does nothing.
    unsafe {
        signal(11, count);
        for _ in 0..100 {
            raise(11);
        }
    }
}

/// Makes itself undumpable before it crashes.
#[inline(never)]
fn hide() {
    // SAFETY: numbers in, numbers out.
    unsafe { prctl(4, 0u64, 0u64, 0u64, 0u64) };
    black_box(read_at(0x10));
}

#[inline(never)]
fn busy() {
    let threads: Vec<_> = (0..4)
        .map(|at| {
            std::thread::spawn(move || {
                for round in 0..200u64 {
                    std::thread::spawn(move || black_box(round)).join().unwrap();
                }
                at
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

fn main() {
    let kind = std::env::args().nth(1).unwrap_or_default();
    outer(&kind);
}
