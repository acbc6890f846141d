//! `craton deployment`: one admitted set, offered to one group.

use crate::client::Call;
use crate::image_set;
use crate::operation::Operation;
use crate::output::{moment, or_dash, short, word};
use crate::session::{Options, Session, pick};
use anyhow::Result;
use clap::Subcommand;
use craton_api::operator::{
    Deployment, DeploymentCreate, DeploymentId, DeploymentList, DeploymentState, PauseRequest,
    PauseRule, Wave,
};

/// What is done with deployments.
#[derive(Subcommand)]
pub enum Command {
    /// Offer an admitted set to a group
    Create {
        /// PRODUCT/GROUP
        group: String,
        /// The set: its name, its id, or the beginning of it
        set: String,
        /// A step: how many percent in all, and how long it soaks: 10:2h. Without one: everybody
        #[arg(long = "wave", value_name = "PERCENT[:TIME]", value_parser = wave)]
        waves: Vec<Wave>,
        /// Pause by itself when this many of the last devices failed; 0: never
        #[arg(long, value_name = "N", default_value_t = PauseRule::default().failures)]
        pause_failures: u32,
        /// How many of the newest outcomes are looked at
        #[arg(long, value_name = "N", default_value_t = PauseRule::default().outcomes)]
        pause_outcomes: u32,
    },
    /// List deployments
    List {
        /// Only those of this PRODUCT/GROUP
        #[arg(long)]
        group: Option<String>,
    },
    /// Show a deployment
    Show {
        /// Its id, or the beginning of it
        deployment: String,
    },
    /// Offer it to no further device; those that have it keep it
    Pause {
        /// Its id, or the beginning of it
        deployment: String,
        /// Why, in words
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Go on; the pause rule counts from here
    Resume {
        /// Its id, or the beginning of it
        deployment: String,
    },
    /// Begin the next wave
    Advance {
        /// Its id, or the beginning of it
        deployment: String,
    },
    /// Offer the set before to the whole group
    Revert {
        /// Its id, or the beginning of it
        deployment: String,
    },
}

/// `10`, `10:90`, `10:30m`, `10:2h`, `10:1d`.
fn wave(text: &str) -> Result<Wave, String> {
    let (percent, soak) = text.split_once(':').unwrap_or((text, "0"));
    let wrong = || format!("{text} is no wave like 10 or 10:2h");
    let percent = percent.parse().map_err(|_| wrong())?;
    let (number, unit) =
        soak.split_at(soak.find(|c: char| !c.is_ascii_digit()).unwrap_or(soak.len()));
    let unit = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let soak_s = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    Ok(Wave { percent, soak_s: soak_s.ok_or_else(wrong)? })
}

/// Does it.
///
/// # Errors
/// The service's refusals; `NameUnknown`, `NameAmbiguous`.
pub async fn run(command: Command, options: &Options) -> Result<()> {
    let mut session = Session::open(options).await?;
    let call = match command {
        Command::List { group } => return list(&mut session, group).await,
        Command::Create { group, set, waves, pause_failures, pause_outcomes } => {
            let set = image_set::found(&mut session, &set).await?;
            let pause_rule = PauseRule { failures: pause_failures, outcomes: pause_outcomes };
            let body = DeploymentCreate { group, image_set: set.id, waves, pause_rule };
            Call::of(Operation::DeploymentStart).json(&body)?
        }
        Command::Show { deployment } => {
            at(&mut session, Operation::DeploymentShow, &deployment).await?
        }
        Command::Pause { deployment, reason } => {
            let call = at(&mut session, Operation::DeploymentPause, &deployment).await?;
            call.json(&PauseRequest { reason })?
        }
        Command::Resume { deployment } => {
            at(&mut session, Operation::DeploymentResume, &deployment).await?
        }
        Command::Advance { deployment } => {
            at(&mut session, Operation::DeploymentAdvance, &deployment).await?
        }
        Command::Revert { deployment } => {
            at(&mut session, Operation::DeploymentRevert, &deployment).await?
        }
    };
    let deployment: Deployment = session.ask(call).await?;
    show(&session, &deployment);
    Ok(())
}

async fn at(session: &mut Session, operation: Operation, wanted: &str) -> Result<Call> {
    // A whole id needs no list, and is the service's to know.
    if let Ok(id) = wanted.parse::<DeploymentId>() {
        return Ok(Call::of(operation).at(id));
    }
    let all: DeploymentList = session.ask(Call::of(Operation::DeploymentList)).await?;
    let named = |deployment: &Deployment| (deployment.id.to_string(), None);
    let found = pick(all.items, wanted, ("deployment", "deployment list"), named)?;
    Ok(Call::of(operation).at(found.id))
}

async fn list(session: &mut Session, group: Option<String>) -> Result<()> {
    let call = Call::of(Operation::DeploymentList).query("group", group);
    let all: DeploymentList = session.ask(call).await?;
    let rows = all.items.iter().map(|deployment| {
        let Deployment { id, group, image_set, state, confirmed, failed, created_s, .. } =
            deployment;
        let (confirmed, failed) = (confirmed.to_string(), failed.to_string());
        let (made, set) = (moment(*created_s), short(image_set));
        vec![group.clone(), made, short(id), word(state), set, confirmed, failed]
    });
    let header = ["group", "made", "id", "state", "image set", "confirmed", "failed"];
    session.out.list(&all, &header, rows.collect());
    Ok(())
}

fn show(session: &Session, deployment: &Deployment) {
    let waves = deployment.waves.iter().enumerate().map(|(place, wave)| {
        let here = if place == deployment.wave as usize { " (now)" } else { "" };
        format!("{} %, soak {} s{here}", wave.percent, wave.soak_s)
    });
    let rule = deployment.pause_rule;
    let fields = [
        ("id", deployment.id.to_string()),
        ("group", deployment.group.clone()),
        ("image set", deployment.image_set.to_string()),
        ("set before", or_dash(deployment.previous_set)),
        ("state", word(deployment.state)),
        ("reason", or_dash(deployment.reason.as_ref())),
        ("waves", waves.collect::<Vec<_>>().join(", ")),
        ("pauses at", format!("{} of the last {} failed", rule.failures, rule.outcomes)),
        ("confirmed", deployment.confirmed.to_string()),
        ("failed", deployment.failed.to_string()),
        ("made", moment(deployment.created_s)),
    ];
    session.out.one(deployment, &fields);
    let id = short(deployment.id);
    match deployment.state {
        DeploymentState::Active => {
            session.out.next(&[&format!("craton deployment show {id}"), "craton device list"]);
        }
        DeploymentState::Paused => session.out.next(&[
            "craton failure groups",
            &format!("craton deployment revert {id}"),
            &format!("craton deployment resume {id}"),
        ]),
        DeploymentState::Superseded => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_a_share_and_a_time() {
        assert_eq!(wave("10"), Ok(Wave { percent: 10, soak_s: 0 }));
        assert_eq!(wave("10:90"), Ok(Wave { percent: 10, soak_s: 90 }));
        assert_eq!(wave("50:2h"), Ok(Wave { percent: 50, soak_s: 7200 }));
        for wrong in ["", "x", "10:", "10:2w", "300:1", "10:99999999d", "10:h"] {
            assert!(wave(wrong).is_err(), "{wrong}");
        }
    }
}
