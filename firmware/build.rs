//! Gives each program its own memory regions.

const PROGRAMS: [&str; 5] = ["rom", "runtime", "mailbox", "hello", "steps"];

fn main() {
    let folder = env!("CARGO_MANIFEST_DIR");
    for program in PROGRAMS {
        println!("cargo:rustc-link-arg-bin={program}=-L{folder}/link/{program}");
    }
    println!("cargo:rustc-link-arg-bins=-L{folder}/link");
    println!("cargo:rerun-if-changed=link");
}
