//! Gives each program its own memory regions.

const PROGRAMS: [&str; 2] = ["rom", "hello"];

fn main() {
    let folder = env!("CARGO_MANIFEST_DIR");
    for program in PROGRAMS {
        println!("cargo:rustc-link-arg-bin={program}=-L{folder}/link/{program}");
    }
    println!("cargo:rerun-if-changed=link");
}
