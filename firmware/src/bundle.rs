//! On the host: writes what a board needs into a folder: `rom`, the ROM (ELF); `rot.bin`, the root
//! of trust that the ROM starts, which is to be signed; `board.json`, where the host writes what.

use craton_firmware::{map, program};
use craton_rot::slots::Slot;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

/// Where a board's flash has what its host writes.
fn layout() -> String {
    format!(
        "{{\n  \"machine\": \"mps2-an505\",\n  \"flash_size\": {},\n  \"fuses_size\": {},\n  \
         \"seed_at\": {},\n  \"seed_size\": {},\n  \"slot_at\": {},\n  \
         \"slot_header_size\": {},\n  \"slot_size\": {}\n}}\n",
        map::PSRAM_SIZE,
        map::STATE - map::FLASH,
        map::SEED - map::FLASH,
        map::SEED_SIZE,
        map::slot(Slot::A) - map::FLASH,
        map::SLOT_HEADER_SIZE,
        map::SLOT_SIZE,
    )
}

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
    fs::write(to.join("board.json"), layout())?;
    fs::write(to.join("rot.bin"), program::bundle(&read("runtime")?, &read("mailbox")?)?)?;
    Ok(())
}
