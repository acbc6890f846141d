//! Devices as the service lists them.

use crate::client::Call;
use crate::event_log;
use crate::home::write_new_file;
use crate::operation::Operation;
use crate::output::{moment, moment_or_dash, or_dash, short, short_or_dash, word};
use crate::session::{Session, pick};
use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use craton_api::operator::{
    BootChanges, BootEvent, BootLog, Device, DeviceBoot, DeviceBootAccept, DeviceChange, DeviceId,
    DeviceList, DeviceState, Digest, Register,
};
use std::path::PathBuf;

/// What is done with devices of the catalog.
#[derive(Subcommand)]
pub enum Command {
    /// List the catalog's devices
    List {
        /// Only those of this PRODUCT/GROUP
        #[arg(long)]
        group: Option<String>,
        /// Only those in this state
        #[arg(long)]
        state: Option<State>,
        /// Only those after this id
        #[arg(long)]
        after: Option<DeviceId>,
        /// How many at most; otherwise all
        #[arg(long)]
        limit: Option<u32>,
    },
    /// Show a device
    Show {
        /// Its id or the beginning of it, or the name of one of this machine
        device: String,
    },
    /// Move a device to another group
    Move {
        /// Its id or the beginning of it, or the name of one of this machine
        device: String,
        /// PRODUCT/GROUP
        group: String,
    },
    /// Take away the mark that two devices were seen with one identity: the copy was found
    ClearCloned {
        /// Its id or the beginning of it, or the name of one of this machine
        device: String,
    },
    /// Show what firmware and loader of a device measured into its TPM, beside its baseline
    Boot {
        /// Its id or the beginning of it, or the name of one of this machine
        device: String,
        /// Write the event log there, too, as the device sent it: if it leads to the registers
        #[arg(long, value_name = "FILE")]
        raw: Option<PathBuf>,
    },
    /// Take what a device shows for its new baseline: its firmware or kernel was updated
    AcceptBoot {
        /// Its id or the beginning of it, or the name of one of this machine
        device: String,
        /// The digest that `device boot` printed
        digest: Digest,
    },
    /// Forget a device; it gets no certificate any more
    Retire {
        /// Its id or the beginning of it, or the name of one of this machine
        device: String,
    },
}

/// Whether a device has named the catalog.
#[derive(Clone, Copy, ValueEnum)]
pub enum State {
    /// Listed only
    Pending,
    /// Its evidence named the catalog
    Claimed,
}

impl From<State> for DeviceState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Claimed => Self::Claimed,
        }
    }
}

/// Does it.
///
/// # Errors
/// The service's refusals; `NameUnknown`, `NameAmbiguous`; `BootLogNotProven`, `FileExists`,
/// `FileNotWritten`.
pub async fn run(command: Command, session: &mut Session) -> Result<()> {
    match command {
        Command::List { group, state, after, limit } => {
            let asked = Wanted { group, state: state.map(DeviceState::from), after, limit };
            let all = pages(session, asked).await?;
            let rows = all.items.iter().map(row);
            let header = ["group", "device", "state", "rot", "last seen", "image set", "trial"];
            session.out.list(&all, &header, rows.collect());
        }
        Command::Show { device } => {
            let id = id_of(session, &device).await?;
            let device: Device = session.ask(Call::of(Operation::DeviceShow).at(id)).await?;
            show(session, &device);
        }
        Command::Move { device, group } => {
            let id = id_of(session, &device).await?;
            let change = DeviceChange { group: Some(group) };
            let call = Call::of(Operation::DeviceChange).at(id).json(&change)?;
            let device: Device = session.ask(call).await?;
            show(session, &device);
        }
        Command::ClearCloned { device } => {
            let id = id_of(session, &device).await?;
            let call = Call::of(Operation::DeviceClearCloned).at(id);
            let device: Device = session.ask(call).await?;
            show(session, &device);
        }
        Command::Boot { device, raw } => {
            let id = id_of(session, &device).await?;
            let boot: DeviceBoot = session.ask(Call::of(Operation::DeviceBootShow).at(id)).await?;
            show_boot(session, id, &boot);
            if let Some(file) = raw {
                let log = session.fetch(Call::of(Operation::DeviceBootLog).at(id)).await?;
                event_log::check(&log, &boot)?;
                write_new_file(&file, &log)?;
            }
        }
        Command::AcceptBoot { device, digest } => {
            let id = id_of(session, &device).await?;
            let call = Call::of(Operation::DeviceBootAccept).at(id);
            let boot: DeviceBoot = session.ask(call.json(&DeviceBootAccept { digest })?).await?;
            show_boot(session, id, &boot);
        }
        Command::Retire { device } => {
            let id = id_of(session, &device).await?;
            session.fetch(Call::of(Operation::DeviceRetire).at(id)).await?;
            session.out.done(&format!("{id} is forgotten"));
        }
    }
    Ok(())
}

struct Wanted {
    group: Option<String>,
    state: Option<DeviceState>,
    after: Option<DeviceId>,
    limit: Option<u32>,
}

/// All pages, or one if a limit was said.
async fn pages(session: &mut Session, wanted: Wanted) -> Result<DeviceList> {
    let mut found = DeviceList { items: Vec::new(), next: wanted.after };
    loop {
        let call = Call::of(Operation::DeviceList)
            .query("group", wanted.group.as_ref())
            .query("state", wanted.state.map(word))
            .query("after", found.next)
            .query("limit", wanted.limit);
        let page: DeviceList = session.ask(call).await?;
        let last = page.next.is_none() || page.items.is_empty() || wanted.limit.is_some();
        found.items.extend(page.items);
        found.next = page.next;
        if last {
            return Ok(found);
        }
    }
}

/// A device by its id, the beginning of it, or the name of one that was made here.
///
/// # Errors
/// `NameUnknown`, `NameAmbiguous`.
pub async fn id_of(session: &mut Session, wanted: &str) -> Result<DeviceId> {
    if let Ok(id) = wanted.parse() {
        return Ok(id);
    }
    let here = super::manufacture::id_of_local(&session.home.device(wanted));
    if let Some(id) = here {
        return Ok(id);
    }
    let none = Wanted { group: None, state: None, after: None, limit: None };
    let all = pages(session, none).await?;
    let named = |device: &Device| (device.id.to_string(), None);
    Ok(pick(all.items, wanted, ("device", "device list"), named)?.id)
}

fn row(device: &Device) -> Vec<String> {
    let Device { id, state, rot, group, last_seen_s, attested_set, trial, cloned, .. } = device;
    let state = match device.boot_changed_s {
        _ if *cloned => "CLONED".into(),
        Some(_) => "BOOT CHANGED".into(),
        None => word(state),
    };
    let (group, seen) = (or_dash(group.as_ref()), moment_or_dash(*last_seen_s));
    let (rot, trial) = (or_dash(rot.map(word)), or_dash(trial.map(word)));
    vec![group, short(id), state, rot, seen, short_or_dash(*attested_set), trial]
}

/// Shows one device.
pub fn show(session: &Session, device: &Device) {
    let cloned = if device.cloned { "yes: two devices were seen with this identity" } else { "no" };
    let fields = [
        ("device", device.id.to_string()),
        ("state", word(device.state)),
        ("group", or_dash(device.group.as_ref())),
        ("rot", or_dash(device.rot.map(word))),
        ("epoch", device.epoch.to_string()),
        ("last seen", moment_or_dash(device.last_seen_s)),
        ("boot", or_dash(device.last_boot)),
        ("check-in", or_dash(device.last_check_in)),
        ("certificate", or_dash(device.certificate_serial.as_ref())),
        ("runs set", or_dash(device.attested_set)),
        ("assigned set", or_dash(device.assigned_set)),
        ("last update", or_dash(device.trial.map(word))),
        ("isolation", or_dash(device.isolation.as_ref())),
        ("storage", or_dash(device.storage.as_ref())),
        ("mode", or_dash(device.mode.as_ref())),
        ("failures lost", or_dash(device.failures_lost)),
        ("cloned", cloned.into()),
        ("boot changed", moment_or_dash(device.boot_changed_s)),
        ("listed", moment(device.created_s)),
    ];
    session.out.one(device, &fields);
}

fn show_boot(session: &Session, id: DeviceId, boot: &DeviceBoot) {
    let mut fields = vec![
        ("digest".to_owned(), boot.digest.to_string()),
        ("as since".into(), moment(boot.shown_s)),
        ("baseline since".into(), moment(boot.baseline_s)),
        ("changed".into(), moment_or_dash(boot.changed_s)),
        ("event log".into(), log_of(boot.log.as_ref(), boot.log_refused)),
    ];
    if boot.changed_s.is_some() {
        fields.push(("baseline's log".into(), log_of(boot.baseline_log.as_ref(), None)));
    }
    boot.registers.iter().for_each(|register| fields.extend(lines_of(register)));
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.clone()));
    session.out.one(boot, &fields.collect::<Vec<_>>());
    if boot.changed_s.is_some() {
        session.out.next(&[&format!("craton device accept-boot {id} {}", boot.digest)]);
    }
}

fn log_of(log: Option<&BootLog>, refused: Option<u16>) -> String {
    let numbers = |log: &BootLog| {
        let numbers: Vec<String> = log.explains.iter().map(u8::to_string).collect();
        numbers.join(",")
    };
    match (log, refused) {
        (Some(log), _) => format!("leads to the registers {}", numbers(log)),
        (None, Some(code)) => format!("REFUSED by E{code}: it does not lead to what the TPM has"),
        (None, None) => "none came".into(),
    }
}

/// A register, and what was measured otherwise into it; what events say is the device's word.
fn lines_of(register: &Register) -> Vec<(String, String)> {
    let value = match (register.value, register.baseline) {
        (Some(value), Some(baseline)) if value == baseline => value.to_string(),
        (value, baseline) => format!("{} CHANGED, was {}", or_dash(value), or_dash(baseline)),
    };
    let mut lines = vec![(format!("register {}", register.register), value)];
    let Some(BootChanges { gone, new, left_out }) = &register.events else { return lines };
    let event = |event: &BootEvent| {
        let BootEvent { what, digest, said } = event;
        format!("{what} {:.16} {said}", digest.to_string()).trim_end().to_owned()
    };
    lines.extend(gone.iter().map(|it| ("  before".into(), event(it))));
    lines.extend(new.iter().map(|it| ("  now".into(), event(it))));
    if gone.is_empty() && new.is_empty() {
        lines.push(("  now".into(), "the same events in another order".into()));
    }
    if *left_out > 0 {
        lines.push(("  more".into(), format!("{left_out} events")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_shown_with_what_was_measured_otherwise() {
        let digest = |byte| Digest([byte; 32]);
        let event = |byte, said: &str| BootEvent {
            what: "loader".into(),
            digest: digest(byte),
            said: said.into(),
        };
        let changes =
            BootChanges { gone: vec![event(1, "")], new: vec![event(2, "grub")], left_out: 3 };
        let (value, baseline) = (Some(digest(9)), Some(digest(8)));
        let mut register = Register { register: 4, value, baseline, events: Some(changes) };
        let lines = lines_of(&register);
        let rows: Vec<&str> = lines.iter().map(|(_, row)| row.as_str()).collect();
        assert!(rows[0].contains(" CHANGED, was 0808"));
        assert_eq!(rows[1], "loader 0101010101010101");
        assert_eq!(rows[2..], ["loader 0202020202020202 grub", "3 events"]);
        let none = BootChanges { gone: vec![], new: vec![], left_out: 0 };
        register.events = Some(none);
        assert_eq!(lines_of(&register)[1].1, "the same events in another order");
        (register.events, register.baseline) = (None, value);
        assert_eq!(lines_of(&register), [("register 4".into(), digest(9).to_string())]);
    }

    #[test]
    fn a_log_is_shown_by_what_it_leads_to_or_why_it_was_refused() {
        let log = BootLog { sha256: Digest([1; 32]), received_s: 1, explains: vec![0, 7] };
        assert_eq!(log_of(Some(&log), Some(4120)), "leads to the registers 0,7");
        assert!(log_of(None, Some(4120)).starts_with("REFUSED by E4120"));
        assert_eq!(log_of(None, None), "none came");
    }
}
