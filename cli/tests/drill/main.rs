//! Drills: the real programs, interrupted, lied to and left alone.
//!
//! `craton up` and `craton device run` are processes with folders of their own; what is drilled is
//! what becomes of them when the power goes, the disk is full, the service is away, the clock is
//! wrong, and strangers talk to the listeners.

#[path = "../drill_apps/notify.rs"]
mod notify;

mod clocks;
mod cuts;
mod device;
mod gate;
mod kills;
mod maker;
mod malformed;
mod newcomer;
mod outages;
mod power;
mod processes;
mod service;
mod station;

use device::{Device, Run, device_folder, passage};
use maker::Maker;
use service::{Operator, Service};

/// One service, one maker, one device that runs `blink` 1, confirmed, and rests.
pub struct World {
    pub service: Service,
    pub maker: Maker,
    pub device: Device,
    pub first: craton_trust::SetId,
    // Removed when all else has ended.
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn begin() -> Self {
        let folder = passage();
        let data = folder.path().join("service");
        let service = Service::start(&data, None);
        let mut maker = Maker::begin(Operator::of(&data, service.devices));
        let device = Device::make(&maker, device_folder(folder.path()));
        let first = maker.ship(1, None);
        let running = device.run(&Run::quick(service.devices));
        device.until_confirmed(&running, first);
        assert!(running.stop().success());
        // ROLL-3: already the first set that was ever confirmed raised its floor.
        let floors = device.rest().rot.floors;
        assert!(floors.iter().any(|(_, floor)| floor > 0), "{floors:?}");
        Self { service, maker, device, first, folder }
    }
}

/// Whether this is the soak, which leaves nothing out: `cargo xtask soak`.
pub fn soak() -> bool {
    std::env::var_os("CRATON_SOAK").is_some()
}
