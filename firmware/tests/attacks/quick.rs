//! A board whose line is many times as quick: `instruments/line.c` says how.

use super::board::{Board, Psram, instrument, programs};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A line behind a multiplexer, which keeps 32 bytes.
const LINE: &str = "udp,id=line,host=127.0.0.1,port=1,localaddr=127.0.0.1,localport=1,mux=on";
/// The multiplexer's escape character: no byte of the line's.
const NO_CHARACTER: &str = "0x100";
/// A machine under load is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// It has power until it goes.
pub struct Quick {
    board: Board,
    line: Option<UnixStream>,
}

impl Quick {
    /// Gives a board power, on one of this host's cores or on any.
    pub fn power_on(psram: &Psram, core: Option<usize>) -> Self {
        Self::power_on_with(psram, core, &[])
    }

    /// Gives it power in an emulator with these options, too.
    pub fn power_on_with(psram: &Psram, core: Option<usize>, more: &[String]) -> Self {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let place = psram.place_of_line();
        let listener = UnixListener::bind(&place).unwrap();
        let mut qemu = psram.emulator(&programs().join("rom"), true);
        qemu.env("LD_PRELOAD", BUILT.get_or_init(|| instrument("line")));
        qemu.env("CRATON_LINE", &place);
        qemu.envs(core.map(|core| ("CRATON_CORE", core.to_string())));
        qemu.args(["-serial", "stdio", "-echr", NO_CHARACTER]);
        qemu.args(["-chardev", LINE, "-serial", "chardev:line"]).args(more);
        let board = psram.started(&mut qemu, place);
        listener.set_nonblocking(true).unwrap();
        let begun = Instant::now();
        let line = loop {
            match listener.accept() {
                Ok((line, _)) => break line,
                Err(why) => assert!(begun.elapsed() < PATIENCE, "no emulator: {why}"),
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        Self { board, line: Some(line) }
    }

    /// The one connection to its mailbox, once its ROM starts the program there.
    pub fn line(&mut self) -> UnixStream {
        self.line_once(["rom: starts the runtime"])
    }

    /// The same, once its ROM said this.
    pub fn line_once<const N: usize>(&mut self, said: [&str; N]) -> UnixStream {
        assert_eq!(self.heard(), said);
        self.line.take().expect("there is one connection")
    }

    /// What its ROM says next.
    pub fn heard<const N: usize>(&self) -> [String; N] {
        self.board.heard()
    }

    /// Whether its ROM said nothing since.
    pub fn is_silent(&self) -> bool {
        self.board.is_silent()
    }
}
