//! A count that is cut, raced, copied, restored and damaged.

use super::*;
use crate::lms::file::KeyFile;
use craton_trust::crypto::Crypto as _;
use craton_trust::soft::Soft;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

struct Room {
    folder: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys/root.key")
    }

    fn records(&self) -> PathBuf {
        self.folder.path().join("records")
    }

    fn words(&self, text: &str) -> Unlock {
        let file = self.folder.path().join(text);
        let _ = write_new_secret(&file, text.as_bytes());
        Unlock::by_file(file)
    }

    /// A key in the clear, made here.
    fn made() -> Self {
        let room = Self::new();
        fs::create_dir(room.folder.path().join("keys")).unwrap();
        LmsKey::create(&room.path(), None, &room.records()).unwrap();
        room
    }

    fn open(&self) -> LmsKey {
        LmsKey::open(&self.path(), &Unlock::default(), &self.records()).unwrap()
    }

    fn refused(&self) -> CliError {
        let opened = LmsKey::open(&self.path(), &Unlock::default(), &self.records());
        opened.err().unwrap().downcast().unwrap()
    }

    /// Has the file say that another leaf is next, as its owner can.
    fn set(&self, next: u32) {
        let key = self.open();
        key.write(next).unwrap();
        key.record.write(next).unwrap();
    }
}

/// The leaf of a signature that verifies.
fn signed(key: &LmsKey, message: &[u8]) -> u32 {
    let signature = key.sign(&[message]).unwrap();
    assert_eq!(Soft.lms_verify(&key.public_key(), &[message], &signature), Ok(()));
    u32::from_be_bytes(signature[4..8].try_into().unwrap())
}

/// Why a key does not sign.
fn why(key: &LmsKey) -> CliError {
    assert_eq!(key.sign(&[b"message"]), Err(TrustError::KeyInvalid));
    key.refusal().unwrap()
}

#[test]
fn each_signature_has_a_leaf_of_its_own_and_the_file_counts() {
    let room = Room::made();
    let key = room.open();
    assert_eq!((signed(&key, b"one"), signed(&key, b"one")), (0, 1));
    // Who opened it before goes on where another left off.
    let other = room.open();
    assert_eq!((signed(&other, b"three"), signed(&key, b"four")), (2, 3));
    assert_eq!((key.left(), room.open().left()), (1020, 1020));
}

#[test]
fn a_sealed_key_opens_by_its_passphrase_alone_and_stays_sealed() {
    let room = Room::made();
    let (right, wrong) = (room.words("several words"), room.words("other words"));
    let path = room.folder.path().join("sealed.key");
    let passphrase = right.new_passphrase("root").unwrap();
    LmsKey::create(&path, Some(&passphrase), &room.records()).unwrap();
    let refused = LmsKey::open(&path, &wrong, &room.records()).err().unwrap();
    assert!(matches!(refused.downcast().unwrap(), CliError::PassphraseWrong(_)));
    let key = LmsKey::open(&path, &right, &room.records()).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    assert_eq!((signed(&key, b"a"), signed(&key, b"b")), (0, 1));
    let after = fs::read_to_string(&path).unwrap();
    let seed = crate::output::hex(&key.seed[..]);
    assert!(!before.contains(&seed) && !after.contains(&seed));
    let nonce = |text: &str| KeyFile::parse(text).unwrap().sealed().unwrap().nonce.clone();
    assert_ne!(nonce(&before), nonce(&after), "one nonce seals once");
    // The count is vouched for: nobody sets it back without the passphrase.
    for changed in [after.replace("\"next_leaf\": 2", "\"next_leaf\": 1"), before] {
        fs::write(&path, &changed).unwrap();
        assert!(key.sign(&[b"c"]).is_err());
    }
}

/// All that two threads sign, each with a key that it opened for itself.
#[test]
fn two_who_sign_at_once_never_use_one_leaf() {
    let room = Room::made();
    let many = |key: LmsKey| (0..40).map(|_| signed(&key, b"message")).collect::<Vec<_>>();
    let leaves = std::thread::scope(|scope| {
        let all = [(); 2].map(|()| scope.spawn(|| many(room.open())));
        all.map(|one| one.join().unwrap()).concat()
    });
    assert_eq!(leaves.iter().collect::<BTreeSet<_>>().len(), 80);
    assert_eq!(room.open().left(), 1024 - 80);
}

/// Each state of the disk that a cut leaves between two writes of a signature: none of them makes
/// the leaf of a signature that left next again.
#[test]
fn a_cut_at_any_write_wastes_a_leaf_at_most() {
    let room = Room::made();
    let key = room.open();
    assert_eq!(signed(&key, b"before"), 0);
    let fresh = room.folder.path().join("keys/root.key.new");
    // In the middle of the new file, which is not the file yet.
    fs::write(&fresh, b"{\"format\": \"craton-lms").unwrap();
    assert_eq!(signed(&room.open(), b"after"), 1);
    assert!(!fresh.exists());
    // The file says so, the record not yet: nothing was signed.
    room.open().write(3).unwrap();
    assert_eq!(signed(&room.open(), b"after"), 3, "leaf 2 is wasted");
    // In the middle of the record.
    let record = fs::read_dir(room.records()).unwrap().next().unwrap().unwrap().path();
    fs::write(record.with_extension("leaves.new"), b"").unwrap();
    room.open().write(5).unwrap();
    assert_eq!(signed(&room.open(), b"after"), 5);
    // Both say so, and the signature never left.
    room.open().reserve().unwrap();
    assert_eq!(signed(&room.open(), b"after"), 7);
}

#[test]
fn where_nothing_can_be_written_nothing_is_signed() {
    let room = Room::made();
    let key = room.open();
    // A folder where the new file goes is what even root cannot write.
    let fresh = room.folder.path().join("keys/root.key.new");
    fs::create_dir(&fresh).unwrap();
    assert!(matches!(why(&key), CliError::FileNotWritten(..)));
    fs::remove_dir(&fresh).unwrap();
    let record = fs::read_dir(room.records()).unwrap().next().unwrap().unwrap().path();
    let fresh = record.with_extension("leaves.new");
    fs::create_dir(&fresh).unwrap();
    assert!(matches!(why(&key), CliError::FileNotWritten(..)));
    fs::remove_dir(&fresh).unwrap();
    assert_eq!(signed(&key, b"message"), 1, "leaf 0 is wasted");
}

#[test]
fn a_restored_copy_is_leaves_older_until_it_is_adopted() {
    let room = Room::made();
    let key = room.open();
    assert_eq!(signed(&key, b"before"), 0);
    let copy = fs::read(room.path()).unwrap();
    assert_eq!((signed(&key, b"one"), signed(&key, b"two")), (1, 2));
    fs::write(room.path(), copy).unwrap();
    assert!(matches!(why(&key), CliError::Lms(LmsError::LeavesOlder { next: 1, known: 3, .. })));
    assert!(matches!(why(&room.open()), CliError::Lms(LmsError::LeavesOlder { .. })));
    let back = key.adopt(Some(2)).unwrap_err();
    assert!(matches!(back, CliError::Lms(LmsError::LeavesBack { next: 2, known: 3, .. })));
    assert!(key.adopt(None).is_err(), "a leaf is named");
    key.adopt(Some(3)).unwrap();
    assert_eq!(signed(&key, b"three"), 3);
    key.adopt(Some(500)).unwrap();
    assert_eq!(signed(&key, b"four"), 500);
    assert!(matches!(
        key.adopt(Some(500)),
        Err(CliError::Lms(LmsError::LeavesBack { known: 501, .. }))
    ));
}

#[test]
fn a_key_from_elsewhere_is_leaves_unknown_until_it_is_adopted() {
    let room = Room::made();
    assert_eq!(signed(&room.open(), b"there"), 0);
    let here = room.folder.path().join("here");
    let key = LmsKey::open(&room.path(), &Unlock::default(), &here).unwrap();
    assert!(matches!(why(&key), CliError::Lms(LmsError::LeavesUnknown(_))));
    assert!(
        matches!(key.adopt(None), Err(CliError::Lms(LmsError::LeavesUnknown(_)))),
        "how far is not said"
    );
    assert!(matches!(
        key.adopt(Some(0)),
        Err(CliError::Lms(LmsError::LeavesBack { known: 1, .. }))
    ));
    key.adopt(Some(9)).unwrap();
    assert_eq!(signed(&key, b"here"), 9);
    // The record is no number: it says nothing.
    let mut records = fs::read_dir(here).unwrap().map(|record| record.unwrap().path());
    let record = records.find(|path| path.extension().is_some_and(|it| it == "leaves"));
    fs::write(record.unwrap(), "many").unwrap();
    assert!(matches!(why(&key), CliError::SigningKeyDamaged(_)));
}

#[test]
fn a_leaf_of_an_object_that_is_seen_is_leaves_older() {
    let room = Room::made();
    let key = room.open();
    key.has_seen(4);
    key.has_seen(3);
    assert!(matches!(why(&key), CliError::Lms(LmsError::LeavesOlder { next: 0, known: 5, .. })));
    // It is remembered: who is not shown that object is refused, too.
    assert!(matches!(why(&room.open()), CliError::Lms(LmsError::LeavesOlder { known: 5, .. })));
    key.adopt(Some(5)).unwrap();
    assert_eq!(signed(&key, b"message"), 5);
}

#[test]
fn copies_in_other_folders_wait_for_each_other_and_one_is_leaves_older() {
    const COPIES: usize = 8;
    let room = Room::made();
    let copies: Vec<PathBuf> = (0..COPIES)
        .map(|number| {
            let folder = room.folder.path().join(format!("copy-{number}"));
            fs::create_dir(&folder).unwrap();
            let copy = folder.join("lms.key");
            fs::copy(room.path(), &copy).unwrap();
            copy
        })
        .collect();
    let start = std::sync::Barrier::new(COPIES);
    let sign = |copy: &Path| {
        let key = LmsKey::open(copy, &Unlock::default(), &room.records()).unwrap();
        start.wait();
        key.reserve().ok()
    };
    let leaves: Vec<Option<u32>> = std::thread::scope(|scope| {
        let all: Vec<_> = copies.iter().map(|copy| scope.spawn(|| sign(copy))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(leaves.into_iter().flatten().collect::<Vec<_>>(), [0], "one of them has signed");
}

#[test]
fn the_last_leaf_signs_and_then_it_is_leaves_spent() {
    let room = Room::made();
    room.set(1023);
    let key = room.open();
    assert_eq!((key.left(), signed(&key, b"last")), (1, 1023));
    assert!(matches!(why(&key), CliError::Lms(LmsError::LeavesSpent(_))));
    assert_eq!(room.open().left(), 0);
    assert!(matches!(why(&room.open()), CliError::Lms(LmsError::LeavesSpent(_))));
}

/// A second name of the file keeps the count that it has now.
#[test]
fn a_file_of_two_names_is_key_twice_and_a_link_leads_to_the_file() {
    let room = Room::made();
    let link = room.folder.path().join("link.key");
    std::os::unix::fs::symlink(room.path(), &link).unwrap();
    let key = LmsKey::open(&link, &Unlock::default(), &room.records()).unwrap();
    assert_eq!(signed(&key, b"by the link"), 0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(signed(&room.open(), b"by its name"), 1);
    let second = room.folder.path().join("second.key");
    fs::hard_link(room.path(), &second).unwrap();
    assert!(matches!(why(&key), CliError::Lms(LmsError::KeyTwice(_))));
    fs::remove_file(second).unwrap();
    assert_eq!(signed(&key, b"alone"), 2);
}

#[test]
fn a_key_file_that_was_put_in_place_of_another_does_not_sign() {
    let room = Room::made();
    let key = room.open();
    fs::remove_file(room.path()).unwrap();
    assert!(matches!(why(&key), CliError::SigningKeyMissing(_)));
    LmsKey::create(&room.path(), None, &room.records()).unwrap();
    assert!(matches!(why(&key), CliError::SigningKeyDamaged(_)));
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(room.refused(), CliError::SecretExposed(_)));
}

/// Cut anywhere, or with any bit flipped, it is refused, or it says what it said before.
#[test]
fn a_damaged_file_is_refused_and_never_counts_otherwise() {
    let room = Room::made();
    room.set(77);
    let public = room.open().public;
    let text = fs::read(room.path()).unwrap();
    for length in 0..text.len() {
        fs::write(room.path(), &text[..length]).unwrap();
        assert!(matches!(room.refused(), CliError::SigningKeyDamaged(_)), "{length}");
    }
    for bit in 0..text.len() * 8 {
        let mut other = text.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let file = std::str::from_utf8(&other).ok().and_then(KeyFile::parse);
        if let Some(file) = file.filter(|file| file.seed(&Keeper::Nobody).is_some()) {
            let same = (file.public_key(), file.next_leaf()) == (Some(public), 77);
            assert!(same, "bit {bit}: {}", String::from_utf8_lossy(&other));
        }
    }
}

#[test]
fn a_file_of_another_format_set_or_count_is_signing_key_damaged() {
    let room = Room::made();
    let text = fs::read_to_string(room.path()).unwrap();
    let swapped = [
        ("craton-lms-key-1", "craton-lms-key-2"),
        ("\"next_leaf\": 0", "\"next_leaf\": 1025"),
        ("\"next_leaf\": 0", "\"next_leaf\": -1"),
        ("\"next_leaf\": 0", "\"next_leaf\": 0, \"more\": 0"),
        ("000000010000000b", "000000010000000c"),
        ("000000010000000b", "000000020000000b"),
    ];
    for (from, to) in swapped {
        let other = text.replace(from, to);
        assert_ne!(other, text);
        fs::write(room.path(), other).unwrap();
        assert!(matches!(room.refused(), CliError::SigningKeyDamaged(_)), "{to}");
    }
}
