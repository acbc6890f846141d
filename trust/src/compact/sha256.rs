//! SHA-256 (FIPS 180-4, §6.2) that keeps no word of its message in memory as it came.
//!
//! Rule ROT-25: what nobody believes yet does not lie on the stack of a ROM, where an instruction
//! that is skipped may take a word of it for the place of the next one. A hash has to keep its
//! block, its schedule and its state there, and of each of them who writes the message chooses
//! the words. So each is kept mixed with a mask that he does not know: what a fault takes of them
//! is a word that nobody chose. Under the mask 0 this is SHA-256 and no more.
//!
//! A flip of one bit while a word of the message is loaded, an addition that is left out, or an
//! address that leads elsewhere gives the digest of another message than the one that lies there
//! (ROT-18). So a hash tells its message as it was hashed, in one word that nobody predicts who
//! does not know the mask, and that word is made once more of what lies there, at a fraction of the
//! price (`Crypto::doubt_read`, by a [`sha256`] that only reads).
//!
//! What is true of it: each word in memory is mixed, from the message's bytes to the digest; no
//! branch and no address depends on a word, so a secret may pass through it; a hash wipes itself,
//! but for the word that tells its message: under the mask 0 that is all words of it, added
//! without a carry. It does not promise what registers hold meanwhile, nor anything of a digest as
//! bytes: of 2³² messages one has a word in it that somebody likes. [`Mixed`] has none.

use crate::crypto::{Mixed, RunningSha256};
use core::hint::black_box;
use zeroize::Zeroize as _;

/// The first 32 bits of the fractional parts of the square roots of the first 8 primes (§5.3.3).
const BEGIN: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The same of the cube roots of the first 64 primes (§4.2.2).
#[rustfmt::skip]
static K: [[u32; 16]; 4] = [
    [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5,
        0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3,
        0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    ],
    [
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc,
        0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
        0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    ],
    [
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13,
        0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3,
        0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    ],
    [
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5,
        0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208,
        0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ],
];

/// Bytes of a block.
const BLOCK: u64 = 64;

/// A hash in pieces. All of it but the count is mixed with the mask.
#[derive(Clone)]
pub(super) struct Sha256 {
    mask: u32,
    state: [u32; 8],
    block: [u32; 16],
    /// Bytes that came.
    count: u64,
    /// All blocks so far.
    read: u32,
    /// It makes no digest.
    only_reads: bool,
}

impl Sha256 {
    /// Of nothing yet, under a mask.
    pub(super) fn under(mask: u32) -> Self {
        let state = BEGIN.map(|word| word ^ mask);
        Self { mask, state, block: [mask; 16], count: 0, read: mask, only_reads: false }
    }

    /// Mixes bytes into the block, where zeros are: `bits` has them in their place of a word.
    #[inline(never)]
    fn mix(&mut self, bits: u32, bytes: u64) {
        // Once more: without it somebody's count would lead up the stack (ROT-25).
        let place = black_box((self.count / 4) as usize & 15) & 15;
        self.block[place] ^= bits;
        self.count = self.count.wrapping_add(bytes);
        if self.count & (BLOCK - 1) == 0 {
            self.take();
        }
    }

    /// Takes a block, and leaves zeros.
    #[inline(never)]
    fn take(&mut self) {
        for word in &self.block {
            // Multiplied, and folded: of two messages that differ, who does not know the factor
            // cannot say by what.
            let product = u64::from(self.read ^ *word) * u64::from(self.mask >> 1 | 1);
            self.read = (product >> 32) as u32 ^ product as u32;
        }
        if !self.only_reads {
            self.compress();
        }
        self.block = [self.mask; 16];
    }

    /// Takes a block into the state.
    #[inline(never)]
    #[allow(clippy::manual_memcpy, clippy::needless_range_loop)] // an iterator is a call here
    fn compress(&mut self) {
        // The working variables of a round begin a word before those of the round before (§6.2.2).
        let mut window = [0; 16 + 8];
        for i in 0..8 {
            window[i] = self.state[i];
        }
        let mut first = true;
        for constants in &K {
            for i in (0..8).rev() {
                window[16 + i] = window[i];
            }
            if !first {
                schedule(&mut self.block, self.mask);
            }
            first = false;
            for i in 0..16 {
                if let Some(variables) = window[15 - i..].first_chunk_mut() {
                    round(variables, self.block[i], constants[i], self.mask);
                }
            }
        }
        for i in 0..8 {
            let mask = black_box(self.mask);
            self.state[i] = (self.state[i] ^ mask).wrapping_add(window[i] ^ mask) ^ mask;
        }
        window.zeroize();
    }
}

/// The next 16 words of the schedule (§6.2.2, step 1), in the place of those before.
#[inline(always)]
fn schedule(block: &mut [u32; 16], mask: u32) {
    for i in 0..16 {
        let mask = black_box(mask);
        let early = block[(i + 1) & 15] ^ mask;
        let early = early.rotate_right(7) ^ early.rotate_right(18) ^ early >> 3;
        let late = block[(i + 14) & 15] ^ mask;
        let late = late.rotate_right(17) ^ late.rotate_right(19) ^ late >> 10;
        let sum = (block[i] ^ mask).wrapping_add(block[(i + 9) & 15] ^ mask);
        block[i] = sum.wrapping_add(early).wrapping_add(late) ^ mask;
    }
}

/// A round (§6.2.2, step 3): the eight variables come second, of which h is no longer needed;
/// those after the round come first.
#[inline(always)]
fn round([new, a, b, c, d, e, f, g, h]: &mut [u32; 9], word: u32, constant: u32, mask: u32) {
    let mask = black_box(mask);
    let open = *e ^ mask;
    let ends = open.rotate_right(6) ^ open.rotate_right(11) ^ open.rotate_right(25);
    let choice = (open & (*f ^ *g)) ^ *g ^ mask;
    let sum = (*h ^ mask).wrapping_add(ends).wrapping_add(choice).wrapping_add(constant);
    let sum = sum.wrapping_add(word ^ mask);
    *d = (*d ^ mask).wrapping_add(sum) ^ mask;
    let open = *a ^ mask;
    let starts = open.rotate_right(2) ^ open.rotate_right(13) ^ open.rotate_right(22);
    let majority = ((*a ^ *b) & (*b ^ *c)) ^ *b ^ mask;
    *new = sum.wrapping_add(starts).wrapping_add(majority) ^ mask;
}

impl RunningSha256 for Sha256 {
    fn new() -> Self {
        Self::under(0)
    }

    #[inline(never)]
    fn update(&mut self, mut bytes: &[u8]) {
        loop {
            let place = self.count % 4;
            match bytes.split_first_chunk() {
                Some((word, rest)) if place == 0 => {
                    bytes = rest;
                    self.mix(u32::from_be_bytes(*word), 4);
                }
                _ => {
                    let Some((byte, rest)) = bytes.split_first() else { return };
                    bytes = rest;
                    self.mix(u32::from(*byte) << (24 - 8 * place), 1);
                }
            }
        }
    }

    fn finish(self) -> [u8; 32] {
        self.finish_mixed().to_bytes()
    }

    /// §5.1.1: a one, zeros, and the count of bits in the last eight bytes of a block.
    #[inline(never)]
    fn finish_mixed(mut self) -> Mixed {
        let bits = self.count.wrapping_mul(8);
        self.update(&[0x80]);
        if self.count & (BLOCK - 1) > BLOCK - 8 {
            self.take(); // zeros are there already
        }
        self.block[14] ^= (bits >> 32) as u32;
        self.block[15] ^= bits as u32;
        self.take();
        Mixed::of(self.state, self.mask).of_message(self.read)
    }

    #[inline(never)]
    fn update_mixed(&mut self, mixed: &Mixed, count: usize) {
        let (words, mask) = mixed.parts();
        let behind = 8 * (self.count as u32 % 4);
        for word in words.iter().take(count / 4) {
            let word = word ^ black_box(mask);
            self.mix(word >> behind, u64::from(4 - behind / 8));
            if behind > 0 {
                self.mix(word << (32 - behind), u64::from(behind / 8));
            }
        }
    }
}

impl Drop for Sha256 {
    fn drop(&mut self) {
        self.state.zeroize();
        self.block.zeroize();
    }
}

/// Of parts, one after another; or, if it only reads, of what the message is as it lies there.
#[inline(never)]
pub(super) fn sha256(mask: u32, parts: &[&[u8]], only_reads: bool) -> Mixed {
    let mut hash = Sha256::under(mask);
    hash.only_reads = only_reads;
    parts.iter().for_each(|part| hash.update(part));
    hash.finish_mixed()
}

/// HMAC-SHA-256 (RFC 2104) under a key that is as long as a digest.
pub(super) fn hmac_sha256(mask: u32, key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // The padded block is the key to whoever reads it: there is one, and it is wiped.
    let mut block = [0; BLOCK as usize];
    let padded = |block: &mut [u8; BLOCK as usize], with: u8| {
        block.fill(with);
        block.iter_mut().zip(key).for_each(|(place, byte)| *place ^= byte);
        let mut hash = Sha256::under(mask);
        hash.update(block);
        hash
    };
    let mut inner = padded(&mut block, 0x36);
    parts.iter().for_each(|part| inner.update(part));
    let mut inner = inner.finish();
    let mut outer = padded(&mut block, 0x5c);
    block.zeroize();
    outer.update(&inner);
    inner.zeroize();
    outer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash;
    use std::vec::Vec;

    const MASKS: [u32; 4] = [0, 1, 0x5ac3_96e1, !0];

    fn message(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 7 + i / 256) as u8).collect()
    }

    /// Against sha2, of which NIST's vectors are in `tests/sha2.rs`.
    #[test]
    fn each_length_has_one_digest_under_any_mask_and_in_any_pieces() {
        for length in (0..260).chain([4095, 4096, 65_543]) {
            let message = message(length);
            let right = hash::sha256(&[&message]);
            for mask in MASKS {
                assert_eq!(
                    sha256(mask, &[&message], false).to_bytes(),
                    right,
                    "{length} bytes under {mask:#x}"
                );
                for piece in [1, 3, 4, 61, 64, 129] {
                    let pieces: Vec<&[u8]> = message.chunks(piece).collect();
                    assert_eq!(
                        sha256(mask, &pieces, false).to_bytes(),
                        right,
                        "{length} by {piece}"
                    );
                }
            }
        }
    }

    #[test]
    fn hmac_is_that_of_sha2() {
        for length in [0, 1, 63, 64, 200] {
            let (key, message) = ([length as u8; 32], message(length));
            let (front, rest) = message.split_at(length / 3);
            let parts: [&[u8]; 3] = [front, &[], rest];
            for mask in MASKS {
                assert_eq!(hmac_sha256(mask, &key, &parts), hash::hmac_sha256(&key, &[&message]));
            }
        }
    }

    #[test]
    fn rot_25_each_word_that_is_kept_is_mixed() {
        for length in [0, 5, 64, 100, 1000] {
            let of = |mask| {
                let mut hash = Sha256::under(mask);
                hash.update(&message(length));
                hash
            };
            let open = of(0);
            for mask in MASKS {
                let kept = of(mask);
                let kept: Vec<u32> = kept.state.iter().chain(&kept.block).copied().collect();
                let words: Vec<u32> = open.state.iter().chain(&open.block).copied().collect();
                assert!(kept.iter().zip(&words).all(|(kept, word)| kept ^ word == mask));
            }
        }
    }

    #[test]
    fn rot_18_a_message_that_is_not_what_was_hashed_is_a_doubt() {
        for length in [1, 5, 55, 56, 64, 100, 1000] {
            let right = message(length);
            // As chips have them: a factor that is close to a power of two mixes less.
            for mask in [0, 0x5ac3_96e1, 0x9e37_79b9, 0x2545_f491] {
                let doubt =
                    |found: &Mixed, lies: &[u8]| found.other_message(&sha256(mask, &[lies], true));
                let (front, rest) = right.split_at(length / 3);
                let found = sha256(mask, &[front, rest], false);
                assert_eq!(doubt(&found, &right), 0, "{length} bytes");
                for bit in 0..length * 8 {
                    let mut other = right.clone();
                    other[bit / 8] ^= 1 << (bit % 8);
                    assert_ne!(doubt(&found, &other), 0, "bit {bit} of {length} under {mask:#x}");
                }
                assert_ne!(doubt(&found, &right[..length - 1]), 0);
            }
        }
    }

    #[test]
    fn a_copy_goes_on_by_itself() {
        let mut one = Sha256::under(7);
        one.update(&message(70));
        let mut other = one.clone();
        one.update(b"a");
        other.update(b"b");
        assert_eq!(one.finish(), hash::sha256(&[&message(70), b"a"]));
        assert_eq!(other.finish(), hash::sha256(&[&message(70), b"b"]));
    }

    #[test]
    fn what_is_mixed_goes_on_as_its_bytes() {
        let bytes = hash::sha256(&[b"mixed"]);
        for begun in 0..70 {
            for (mask, count) in MASKS.into_iter().zip([32, 24, 4, 32]) {
                let mixed = sha256(mask ^ 0x55, &[b"mixed"], false);
                let mut hash = Sha256::under(mask);
                hash.update(&message(begun));
                hash.update_mixed(&mixed, count);
                let right = hash::sha256(&[&message(begun), &bytes[..count]]);
                assert_eq!(hash.finish(), right, "{count} bytes behind {begun}");
            }
        }
    }
}
