//! Prints what the sandbox adds to the start of a static program that ends at once.
//! Arguments: the sandbox program (`craton-sandbox-init`), then how many starts.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use craton_device::apps::sandbox::{Accept, Spec};
use craton_device::apps::start_cost::measure;

const RUNS: usize = 201;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args_os().skip(1);
    let init = words.next().ok_or("the first argument is the sandbox program")?;
    let runs = words.next().and_then(|word| word.to_str()?.parse().ok()).unwrap_or(RUNS);
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    compile(folder.path())?;
    for accept in [Accept::FullOnly, Accept::Reduced] {
        let mut spec = Spec::new(vec![init.clone()], folder.path(), "/app");
        spec.accept = accept;
        println!("{accept:?}: {}, median of {runs}", measure(&spec, runs)?);
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
