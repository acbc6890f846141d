//! What a device's TPM showed of its boots, as an operator sees it.

use craton_api::operator::{CatalogId, Device, DeviceBoot, DeviceId, Digest};
use craton_trust::quoted::Registers;
use serde_json::json;

use crate::app::{AppError, boots};
use crate::testing::*;

fn registers(fourth: u8) -> Registers {
    let mut registers = Registers::none();
    for (register, value) in [(0, 0), (4, fourth), (7, 7)] {
        registers.push(register, craton_trust::Digest([value; 32])).unwrap();
    }
    registers
}

/// What the commit of a check-in does.
async fn seen(bench: &Bench, at: (CatalogId, DeviceId), fourth: u8) {
    let keys = bench.app.keys.clone();
    let work = move |db: &crate::store::WriteTx<'_>| {
        boots::note(db, &*keys.log, at, registers(fourth), NOW_S)
    };
    bench.app.store.write::<_, AppError, _>(work).await.unwrap();
}

async fn leaves(bench: &Bench, catalog: CatalogId) -> usize {
    let path = format!("/v1/catalogs/{catalog}/audit/entries");
    let all: serde_json::Value = bench.get(&path).await.json();
    let text = all.to_string();
    text.matches("\"boot\"").count()
}

#[tokio::test]
async fn att_8_a_change_is_shown_and_logged_once_until_an_operator_accepts_what_he_saw() {
    let bench = Bench::new().await;
    let catalog = bench.catalog(true).await;
    bench.product(catalog).await;
    let device = bench.device(catalog, 20, "meter/Production").await;
    let path = format!("/v1/catalogs/{catalog}/devices/{device}");
    let boot = format!("{path}/boot");
    assert_eq!(bench.get(&boot).await.code(), 4190, "BootUnknown");
    let nobody = format!("/v1/catalogs/{catalog}/devices/{}/boot", DeviceId([0; 32]));
    assert_eq!(bench.get(&nobody).await.code(), 4168, "DeviceUnknown");
    let at = (catalog, device);
    seen(&bench, at, 4).await;
    let first: DeviceBoot = bench.get(&boot).await.json();
    assert_eq!((first.changed_s, first.baseline_s, first.registers.len()), (None, NOW_S, 3));
    assert_eq!(leaves(&bench, catalog).await, 0, "the first values are no change");
    // Another boot, and back again: the change stays, and there is one leaf for it.
    for fourth in [9, 4, 9, 9] {
        seen(&bench, at, fourth).await;
    }
    let changed: DeviceBoot = bench.get(&boot).await.json();
    assert_eq!(changed.changed_s, Some(NOW_S));
    let fourth = &changed.registers[1];
    let (value, baseline) = (Some(Digest([9; 32])), Some(Digest([4; 32])));
    assert_eq!((fourth.register, fourth.value, fourth.baseline), (4, value, baseline));
    assert_eq!(bench.get(&path).await.json::<Device>().boot_changed_s, Some(NOW_S));
    assert_eq!(leaves(&bench, catalog).await, 1);
    // Accepted is what was seen, or nothing.
    let accept = async |digest: Digest| {
        let body = Some(("application/json", json!({ "digest": digest }).to_string().into()));
        bench.ask_as(&bench.token, "PUT", &format!("{boot}/baseline"), body).await
    };
    assert_eq!(accept(first.digest).await.code(), 4191, "BootMovedOn");
    let accepted: DeviceBoot = accept(changed.digest).await.json();
    assert_eq!((accepted.changed_s, accepted.registers[1].baseline), (None, value));
    assert_eq!(bench.get(&path).await.json::<Device>().boot_changed_s, None);
    assert_eq!(leaves(&bench, catalog).await, 2);
    accept(changed.digest).await.json::<DeviceBoot>();
    assert_eq!(leaves(&bench, catalog).await, 2, "nothing was left to accept");
    assert_eq!(bench.ask_as(&bench.token, "DELETE", &path, None).await.status, 204);
    let again = bench.device(catalog, 20, "meter/Production").await;
    assert_eq!((again, bench.get(&boot).await.code()), (device, 4190), "retired and forgotten");
}
