//! How the monitor speaks with its roles: one JSON line a message, over the role's standard input
//! and output.
//!
//! Both ends are this program; a role that gets a line it cannot read ends, and the monitor starts
//! it again. A role ends when its input does, so that none outlives the monitor.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How often a wait for an answer looks whether it shall end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The longest message, bytes.
const LINE_MAX: u64 = 4 * 1024 * 1024;

/// How this program is started again as one of its roles: `<program> <arguments> <role> <device
/// folder>`.
#[derive(Clone, Debug)]
pub struct RoleProgram {
    /// The program.
    pub program: PathBuf,
    /// What comes before the role's name.
    pub arguments: Vec<OsString>,
}

/// Who is at fault when a role refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// What was judged: another try of the same bytes is refused again.
    Judged,
    /// This host: its disk, its memory, its kernel. It may be mended, and counts against no set.
    Host,
    /// The service was not reached, or did not do what it was asked.
    Service,
}

/// A refusal as it crosses from a role to the monitor: its number and its words.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The number in `spec/errors.toml`.
    pub code: u16,
    /// The words, the number included.
    pub text: String,
    /// Who is at fault.
    pub fault: Fault,
    /// The number that the service gave, where it was the service that refused.
    pub service_code: Option<u16>,
}

impl Refusal {
    /// A refusal by its number and words, of what was judged.
    #[must_use]
    pub fn new(code: u16, text: impl ToString) -> Self {
        Self { code, text: text.to_string(), fault: Fault::Judged, service_code: None }
    }
}

/// What a role writes.
#[derive(Debug, Serialize, Deserialize)]
enum Line<R, E> {
    Done(R),
    Refused(Refusal),
    Event(E),
}

/// Why a role could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// It could not be started.
    #[error("E5501: the role {0} could not be started: {1}. Is the program still where it was?")]
    RoleNotStarted(&'static str, std::io::Error),
    /// It ended, or does not answer.
    #[error("E5502: the role {0} ended or hangs; the monitor starts it again")]
    RoleGone(&'static str),
    /// It refused.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl RoleError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::RoleNotStarted(..) => 5501,
            Self::RoleGone(_) => 5502,
            Self::Refused(refusal) => refusal.code,
        }
    }

    /// The number that the service gave, where it was the service that refused.
    #[must_use]
    pub fn service_code(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => refusal.service_code,
            _ => None,
        }
    }

    /// Who is at fault; of a role that is gone, this host.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::RoleNotStarted(..) | Self::RoleGone(_) => Fault::Host,
            Self::Refused(refusal) => refusal.fault,
        }
    }
}

/// A running role, asked one thing at a time.
pub struct Role {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Role {
    /// Starts a role; its events go to `events` as JSON.
    ///
    /// # Errors
    /// `RoleNotStarted`.
    pub fn start(
        program: &RoleProgram,
        name: &'static str,
        device: &Path,
        events: Option<Sender<String>>,
    ) -> Result<Self, RoleError> {
        let mut command = Command::new(&program.program);
        command.args(&program.arguments).arg(name).arg(device);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|error| RoleError::RoleNotStarted(name, error))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (sender, answers) = channel();
        if let Some(output) = output {
            std::thread::spawn(move || sort_lines(output, &sender, events.as_ref()));
        }
        Ok(Self { name, child, input, answers })
    }

    /// Asks, and waits for the answer. A role that gives none in time is killed: what it may still
    /// say must not pass for the answer to a later question.
    ///
    /// # Errors
    /// `RoleGone`, or the role's own refusal.
    pub fn ask<Q: Serialize, R: DeserializeOwned>(
        &mut self,
        question: &Q,
        within: Duration,
    ) -> Result<R, RoleError> {
        self.ask_unless(question, within, &AtomicBool::new(false))
    }

    /// As [`Role::ask`], but waits only until `stop` is set: a download may take an hour.
    ///
    /// # Errors
    /// As [`Role::ask`]; a role whose answer was not waited for is gone.
    pub fn ask_unless<Q: Serialize, R: DeserializeOwned>(
        &mut self,
        question: &Q,
        within: Duration,
        stop: &AtomicBool,
    ) -> Result<R, RoleError> {
        let answer = self.exchange(question, within, stop);
        if matches!(answer, Err(RoleError::RoleGone(_))) {
            drop(self.input.take());
            self.kill();
        }
        answer
    }

    fn exchange<Q: Serialize, R: DeserializeOwned>(
        &mut self,
        question: &Q,
        within: Duration,
        stop: &AtomicBool,
    ) -> Result<R, RoleError> {
        let gone = RoleError::RoleGone(self.name);
        let Ok(mut line) = serde_json::to_vec(question) else { return Err(gone) };
        line.push(b'\n');
        let Some(input) = self.input.as_mut() else { return Err(gone) };
        if input.write_all(&line).and_then(|()| input.flush()).is_err() {
            return Err(gone);
        }
        let Some(answer) = self.await_answer(within, stop) else { return Err(gone) };
        match serde_json::from_str::<Line<R, serde_json::Value>>(&answer) {
            Ok(Line::Done(done)) => Ok(done),
            Ok(Line::Refused(refusal)) => Err(refusal.into()),
            _ => Err(gone),
        }
    }

    fn await_answer(&self, within: Duration, stop: &AtomicBool) -> Option<String> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left.min(LOOK_EVERY)) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if left.is_zero() || stop.load(Ordering::Relaxed) {
                return None;
            }
        }
    }

    /// Closes the role's input and waits until it has ended, killing it after `within`.
    pub fn stop(mut self, within: Duration) {
        drop(self.input.take());
        let until = Instant::now() + within;
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
    }

    /// Ends the process, if it has not, and collects it.
    fn kill(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.kill();
    }
}

fn sort_lines(
    output: impl std::io::Read,
    answers: &Sender<String>,
    events: Option<&Sender<String>>,
) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = String::new();
        let read = output.by_ref().take(LINE_MAX).read_line(&mut line);
        if !matches!(read, Ok(n) if n > 0) {
            return;
        }
        let is_event = line.starts_with("{\"Event\":");
        let sent = match events {
            Some(events) if is_event => events.send(line).is_ok(),
            _ => answers.send(line).is_ok(),
        };
        if !sent {
            return;
        }
    }
}

/// The event that a role's line carries.
#[must_use]
pub fn event<E: DeserializeOwned>(line: &str) -> Option<E> {
    match serde_json::from_str::<Line<serde_json::Value, E>>(line) {
        Ok(Line::Event(event)) => Some(event),
        _ => None,
    }
}

/// Writes an event to the monitor, from any thread of a role.
pub fn send_event<E: Serialize>(event: &E) {
    write_line(&Line::<(), &E>::Event(event));
}

fn write_line<L: Serialize>(line: &L) {
    if let Ok(mut bytes) = serde_json::to_vec(line) {
        bytes.push(b'\n');
        let mut output = std::io::stdout().lock();
        // A monitor that is gone needs no answer; our input ends next.
        let _ = output.write_all(&bytes).and_then(|()| output.flush());
    }
}

/// A role's loop: answers questions until its input ends.
pub fn serve<Q: DeserializeOwned, R: Serialize>(mut answer: impl FnMut(Q) -> Result<R, Refusal>) {
    let mut input = BufReader::new(std::io::stdin());
    loop {
        let mut line = String::new();
        let read = input.by_ref().take(LINE_MAX).read_line(&mut line);
        if !matches!(read, Ok(n) if n > 0) {
            return;
        }
        let Ok(question) = serde_json::from_str(&line) else { return };
        match answer(question) {
            Ok(done) => write_line(&Line::<R, ()>::Done(done)),
            Err(refusal) => write_line(&Line::<R, ()>::Refused(refusal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    /// A role that is a line of shell.
    fn role(folder: &Path, script: &str, events: Option<Sender<String>>) -> Role {
        let arguments = vec!["-c".into(), script.into()];
        let program = RoleProgram { program: "/bin/sh".into(), arguments };
        Role::start(&program, "auth", folder, events).unwrap()
    }

    fn alive(role: &Role) -> bool {
        Path::new("/proc").join(role.child.id().to_string()).exists()
    }

    #[test]
    fn role_not_started_names_the_role_whose_program_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let program = RoleProgram { program: folder.path().join("gone"), arguments: Vec::new() };
        let refused = Role::start(&program, "auth", folder.path(), None).err().unwrap();
        assert!(matches!(refused, RoleError::RoleNotStarted("auth", _)), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn role_gone_is_one_that_ended_without_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let mut role = role(folder.path(), "read question", None);
        let refused = role.ask::<_, u64>(&"question", SOON).unwrap_err();
        assert!(matches!(refused, RoleError::RoleGone("auth")), "{refused}");
        assert_eq!(refused.fault(), Fault::Host, "it is no outage of the service");
    }

    #[test]
    fn role_gone_is_one_that_hangs_and_its_late_answer_is_never_heard() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"read question; read question; echo '{"Done":7}'; exec sleep 600"#;
        let mut role = role(folder.path(), script, None);
        let hung = role.ask::<_, u64>(&"first", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(hung, RoleError::RoleGone(_)), "{hung}");
        assert!(!alive(&role), "a hanging role is ended, not left behind");
        let second = role.ask::<_, u64>(&"second", SOON);
        assert!(matches!(second, Err(RoleError::RoleGone(_))), "{second:?}");
    }

    #[test]
    fn role_gone_is_one_whose_answer_is_not_waited_for_when_told_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let mut role = role(folder.path(), "read question; exec sleep 600", None);
        let stop = AtomicBool::new(true);
        let refused = role.ask_unless::<_, u64>(&"question", Duration::from_secs(600), &stop);
        assert!(matches!(refused, Err(RoleError::RoleGone(_))), "{refused:?}");
        assert!(!alive(&role));
    }

    #[test]
    fn role_gone_is_one_whose_words_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"read question; echo 'no JSON'; echo '{"Done":7}'; exec sleep 600"#;
        let mut role = role(folder.path(), script, None);
        let refused = role.ask::<_, u64>(&"question", SOON).unwrap_err();
        assert!(matches!(refused, RoleError::RoleGone(_)), "{refused}");
        assert!(!alive(&role));
    }

    #[test]
    fn a_role_answers_refuses_and_tells_events_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (events, told) = channel();
        let script = r#"read q; echo '{"Event":1}'; echo '{"Done":7}'; read q
            echo '{"Refused":{"code":5306,"text":"E5306: full","fault":"Host"}}'; read q"#;
        let mut role = role(folder.path(), script, Some(events));
        assert_eq!(role.ask::<_, u64>(&"question", SOON).unwrap(), 7);
        let refused = role.ask::<_, u64>(&"question", SOON).unwrap_err();
        assert_eq!((refused.code(), refused.fault()), (5306, Fault::Host));
        assert_eq!(event::<u64>(&told.recv_timeout(SOON).unwrap()), Some(1));
        assert!(alive(&role), "a refusal ends no role");
        let process = role.child.id();
        role.stop(SOON);
        assert!(!Path::new("/proc").join(process.to_string()).exists());
    }
}
