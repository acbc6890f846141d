//! The sandbox program on its own, for tests and benches; `craton` has it as a hidden subcommand.
#![deny(unsafe_code)]

fn main() {
    craton_device::apps::sandbox::sandbox_init_main()
}
