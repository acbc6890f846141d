//! On the host: writes what a board needs into a folder: `rom`, the ROM (ELF), and `rot.bin`, the
//! root of trust that the ROM starts, which is to be signed.

use craton_firmware::program;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(programs), Some(to), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: bundle PROGRAMS FOLDER".into());
    };
    let read = |name: &str| {
        let path = programs.join(name);
        fs::read(&path).map_err(|why| format!("{}: {why}", path.display()))
    };
    fs::create_dir_all(&to)?;
    fs::write(to.join("rom"), read("rom")?)?;
    fs::write(to.join("rot.bin"), program::bundle(&read("runtime")?, &read("mailbox")?)?)?;
    Ok(())
}
