//! The dm-verity tree, judged by veritysetup where that is installed.

use craton_image::verity::{BLOCK_BYTES, VerityError, check, tree};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One block; one level; two levels, exactly full and one more; three levels.
const BLOCK_COUNTS: [usize; 7] = [1, 2, 127, 128, 129, 300, 128 * 128 + 1];

fn data(blocks: usize) -> Vec<u8> {
    (0..blocks * BLOCK_BYTES).map(|at| (at / 7 % 256) as u8).collect()
}

#[test]
fn the_root_hash_of_known_data_has_not_changed() {
    // Made by veritysetup 2.6.1: format --no-superblock --salt=- of these data.
    assert_eq!(
        hex(&tree(&data(1)).unwrap().1),
        "b545442954616d59a9c18444ea40524b564a41a105b6ee7a643a9c0f93dcd198"
    );
    assert_eq!(
        hex(&tree(&data(129)).unwrap().1),
        "fe6cad1c6c2d2a1c3327415df955afcfd702aa942b0d9b2afb650d6f612e5a32"
    );
}

#[test]
fn a_tree_has_one_digest_for_each_block_of_the_level_below() {
    let sizes: Vec<usize> =
        BLOCK_COUNTS.iter().map(|blocks| tree(&data(*blocks)).unwrap().0.len() / 4096).collect();
    assert_eq!(sizes, [0, 1, 1, 1, 3, 4, 129 + 2 + 1]);
}

#[test]
fn check_accepts_its_own_tree_and_refuses_every_other() {
    let mut data = data(200);
    let (mut stored, mut root) = tree(&data).unwrap();
    assert_eq!(check(&data, &stored, &root), Ok(()));
    stored[5000] ^= 1;
    assert_eq!(check(&data, &stored, &root), Err(VerityError::HashTreeWrong));
    stored[5000] ^= 1;
    assert_eq!(check(&data, &stored[4096..], &root), Err(VerityError::HashTreeWrong));
    data[777_777] ^= 0x80;
    assert_eq!(check(&data, &stored, &root), Err(VerityError::RootHashWrong));
    data[777_777] ^= 0x80;
    root[31] ^= 1;
    assert_eq!(check(&data, &stored, &root), Err(VerityError::RootHashWrong));
}

#[test]
fn data_must_be_whole_blocks() {
    for bytes in [0, 1, 4095, 4097] {
        assert_eq!(tree(&vec![0; bytes]), Err(VerityError::DataNotWholeBlocks));
    }
}

fn veritysetup() -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/sbin", "/usr/bin"];
    folders.iter().map(|folder| PathBuf::from(folder).join("veritysetup")).find(|it| it.exists())
}

#[test]
fn veritysetup_makes_the_same_tree_and_root_hash() {
    let Some(veritysetup) = veritysetup() else {
        eprintln!("NOT CHECKED by veritysetup: install cryptsetup-bin. The known hashes were.");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (data_path, hash_path) = (folder.path().join("data"), folder.path().join("hash"));
    for blocks in BLOCK_COUNTS {
        fs::write(&data_path, data(blocks)).unwrap();
        fs::write(&hash_path, []).unwrap();
        let mut format = Command::new(&veritysetup);
        format.args(["format", "--no-superblock", "--salt=-", "--hash=sha256", "--format=1"]);
        let out = format.arg(&data_path).arg(&hash_path).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let (stored, root) = tree(&data(blocks)).unwrap();
        assert!(String::from_utf8_lossy(&out.stdout).contains(&hex(&root)), "{blocks} blocks");
        assert!(fs::read(&hash_path).unwrap() == stored, "{blocks} blocks");
    }
}
