//! Claiming all that a station made.

use super::world::{Service, User};
use craton_trust::Signed;
use craton_trust::cose::Kind;
use craton_trust::endorsement::{Endorsement, RotClass};
use craton_trust::id::from_hex;
use craton_trust::soft::{Soft, SoftKey};
use craton_trust::{lot, signed};

/// The manufacturer's key of the user's one catalog.
fn manufacturer(user: &User) -> SoftKey {
    let catalogs = user.path("config/craton/catalogs").read_dir().unwrap();
    let folder = catalogs.map(|folder| folder.unwrap().path()).next().unwrap();
    let text = std::fs::read_to_string(folder.join("manufacturer.key")).unwrap();
    SoftKey::from_bytes(&from_hex(text.trim()).unwrap()).unwrap()
}

fn seal(key: &SoftKey, kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut room = vec![0; payload.len() + 512];
    signed::seal(&Soft, kind, payload, &[key], &mut room).unwrap().to_vec()
}

#[test]
fn a_lot_is_claimed_and_its_refused_rows_are_told_lot_rows_refused() {
    let user = User::new();
    let _service = Service::start(&user);
    user.does("login --data @service");
    user.does("catalog create shed --dev");
    user.does("product create Lamp");
    let key = manufacturer(&user);
    let mut rows: Vec<_> = ["one", "two"]
        .map(|name| {
            user.does(&format!("device manufacture --folder @{name}"));
            let row = std::fs::read(user.path(name).join("endorsement.cbor")).unwrap();
            (lot::device_of(&Soft, &row).unwrap(), row)
        })
        .into();
    rows.sort();
    let write = |name: &str, rows: &[(_, Vec<u8>)]| {
        let rows: Vec<&[u8]> = rows.iter().map(|(_, row)| row.as_slice()).collect();
        let mut room = vec![0; 4096];
        let lot = lot::encode(&Soft, &rows, &mut room).unwrap();
        std::fs::write(user.path(name), seal(&key, Kind::Lot, lot)).unwrap();
    };
    write("lot", &rows);
    let claim = "device claim --lot @lot --group Lamp/Development";
    let claimed = user.json(claim);
    assert_eq!(claimed["rows"][1]["outcome"], "listed");
    assert!(user.does(claim).contains("known"));
    // LotRowsRefused: the first device again, with a better root of trust than it has.
    let told = Endorsement::parse(Signed::parse(&rows[0].1).unwrap().unchecked_payload()).unwrap();
    let better = Endorsement { rot: RotClass::Silicon, ..told };
    rows[0].1 = seal(&key, Kind::Endorsement, better.encode(&mut [0; 256]).unwrap());
    write("other", &rows);
    let said = user.refused("device claim --lot @other", 6204);
    assert!(said.out.contains("E4169") && said.out.contains("known"), "{}", said.out);
    // A lot that somebody changed on the way is refused as a whole.
    let mut bytes = std::fs::read(user.path("lot")).unwrap();
    bytes[40] ^= 1;
    std::fs::write(user.path("changed"), bytes).unwrap();
    user.refused("device claim --lot @changed", 1104);
    let devices = user.json("device list --state pending");
    assert_eq!(devices["items"].as_array().unwrap().len(), 2);
}
