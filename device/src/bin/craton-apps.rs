//! The apps role and its sandbox program on their own, for tests and benches; `craton` has them as
//! hidden subcommands.
#![deny(unsafe_code)]

use std::path::Path;

const SANDBOX_INIT: &str = "sandbox-init";

fn main() {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.as_slice() {
        [word] if word == SANDBOX_INIT => craton_device::apps::sandbox::sandbox_init_main(),
        [word, device] if word == "apps" => {
            let program = std::env::current_exe().expect("a program knows where it is");
            let init = vec![program.into(), SANDBOX_INIT.into()];
            craton_device::apps::supervise::main(Path::new(device), init);
        }
        _ => eprintln!("usage: craton-apps sandbox-init | craton-apps apps FOLDER"),
    }
}
