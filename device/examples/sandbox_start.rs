//! Prints what the sandbox adds to the start of a static program that ends at once.
//!
//! Arguments: how many starts, then how the zygote is executed, as the device does it:
//! `target/release/craton sandbox-init`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use craton_device::apps::sandbox::{Accept, SandboxError, Spec, Zygote};
use craton_device::apps::start_cost::measure;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "arguments: RUNS, then the zygote's program: target/release/craton sandbox-init";
    let mut words = std::env::args_os().skip(1);
    let runs = words.next().and_then(|word| word.to_str()?.parse().ok()).ok_or(usage)?;
    let zygote = Arc::new(Zygote::new(words.collect()));
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    compile(folder.path())?;
    for accept in [Accept::FullOnly, Accept::Reduced] {
        let mut spec = Spec::new(zygote.clone(), folder.path(), "/app");
        spec.accept = accept;
        match measure(&spec, runs) {
            Ok(cost) => println!("{accept:?}: {cost}; {runs} starts each"),
            Err(why @ SandboxError::NamespacesRefused { .. }) => println!("not measured: {why}"),
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

fn compile(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let source = folder.join("app.c");
    std::fs::write(&source, "int main(void) { return 0; }\n")?;
    let mut compiler = Command::new("cc");
    let compiler = compiler.args(["-O1", "-static-pie", "-o"]).arg(folder.join("app")).arg(&source);
    if compiler.status()?.success() { Ok(()) } else { Err("cc failed".into()) }
}
