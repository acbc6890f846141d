//! Gives each program its own memory regions.

const PROGRAMS: [&str; 5] = ["rom", "runtime", "mailbox", "hello", "steps"];

fn main() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let board = if std::env::var_os("CARGO_FEATURE_RP2350").is_some() { "rp2350/" } else { "" };
    for program in PROGRAMS {
        println!("cargo:rustc-link-arg-bin={program}=-L{folder}/link/{board}{program}");
    }
    println!("cargo:rustc-link-arg-bins=-L{folder}/link");
    println!("cargo:rerun-if-changed=link");
}
