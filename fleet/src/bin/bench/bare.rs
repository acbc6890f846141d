//! The bare cryptography of one check-in: every public-key and hash operation that the service
//! needs for it, by aws-lc-rs, and nothing else: no parsing, no records, no database.

use crate::cpu;
use anyhow::{Context as _, Result};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use aws_lc_rs::{digest, hmac};
use craton_cloud::crypto::AwsLc;
use craton_fleet::{Prepared, Seed, pkcs8};
use craton_trust::crypto::{Crypto, Signature};
use craton_trust::key::LmsPublicKey;
use craton_trust::{Digest, PublicKey, evidence, lms};
use rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768;
use std::cell::RefCell;
use std::hint::black_box;

/// Bytes of a TLS 1.3 handshake as the transcript hash sees it: a hello with the hybrid share of
/// 1216 bytes, the answer with one of 1120, and the rest.
const TRANSCRIPT_SIZE: usize = 3400;

/// Hashes of the transcript so far that RFC 8446 section 7.1 and 4.4 ask for (after the server's
/// hello, certificate, signature and Finished, after the client's Finished), and the empty ones
/// under "derived", twice, and under the exporter, twice.
const TRANSCRIPT_HASHES: usize = 9;

/// HMACs of the key schedule (RFC 8446 section 7.1) of a full handshake without a client
/// certificate: 3 extracts, 2 times "derived", 4 traffic secrets and the exporter's, 8 keys and
/// nonces, 2 finished keys and their 2 tags, and 2 for one exported value.
const KEY_SCHEDULE_HMACS: usize = 24;

/// Random bytes drawn beside those of the key exchange and the signatures: the server's and the
/// certificate's serial.
const RANDOM_SIZES: [usize; 2] = [32, 16];

/// Bytes of the records that are sealed or opened: the server's flight, the client's Finished, the
/// request, the reply, and an alert each way.
const RECORD_SIZES: [usize; 6] = [540, 53, 1450, 1210, 2, 2];

/// Bytes that a certificate's and an assignment's signature cover, about.
const SIGNED_SIZES: [usize; 2] = [420, 900];

/// Bytes hashed beside the evidence: the request (twice, once with the exporter and the evidence),
/// the client's name, the wave's HMAC.
const HASHED_SIZES: [usize; 4] = [350, 1400, 100, 110];

/// The operations, ready to be run.
pub struct Bare {
    client_share: Vec<u8>,
    signer: EcdsaKeyPair,
    verifies: Vec<(PublicKey, Vec<u8>, Signature)>,
    hashes: Vec<Vec<u8>>,
    long_hashes: Vec<Vec<u8>>,
    macs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What `evidence::verify` asks for, written down.
#[derive(Default)]
struct Recorder {
    verifies: RefCell<Vec<(PublicKey, Vec<u8>, Signature)>>,
    hashes: RefCell<Vec<Vec<u8>>>,
    long_hashes: RefCell<Vec<Vec<u8>>>,
    macs: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Crypto for Recorder {
    fn sha256(&self, parts: &[&[u8]]) -> Digest {
        self.hashes.borrow_mut().push(parts.concat());
        AwsLc.sha256(parts)
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        self.long_hashes.borrow_mut().push(parts.concat());
        AwsLc.sha512(parts)
    }

    fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
        self.macs.borrow_mut().push((key.to_vec(), parts.concat()));
        AwsLc.hmac_sha512(key, parts)
    }

    fn es256_verify(
        &self,
        key: &PublicKey,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> Result<(), craton_trust::Error> {
        self.verifies.borrow_mut().push((*key, parts.concat(), *signature));
        AwsLc.es256_verify(key, parts, signature)
    }

    /// No key of a device signs by LMS.
    fn lms_root(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> Result<lms::Root, craton_trust::Error> {
        AwsLc.lms_root(key, parts, signature)
    }
}

impl Bare {
    /// The operations of this device's check-in.
    pub fn of(prepared: &Prepared) -> Result<Self> {
        let recorder = Recorder::default();
        evidence::verify(&recorder, &prepared.identity, &prepared.evidence)?;
        let client = X25519MLKEM768.start()?;
        let key = pkcs8(Seed(1), "bare");
        let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key);
        Ok(Self {
            client_share: client.pub_key().to_vec(),
            signer: signer.ok().context("a key of the seed")?,
            verifies: recorder.verifies.into_inner(),
            hashes: recorder.hashes.into_inner(),
            long_hashes: recorder.long_hashes.into_inner(),
            macs: recorder.macs.into_inner(),
        })
    }

    /// Signatures verified.
    pub fn verifies(&self) -> usize {
        self.verifies.len()
    }

    /// Microseconds of CPU for one check-in's operations.
    pub fn each_us(&self, loops: usize) -> f64 {
        cpu::each_us(loops, || self.once())
    }

    fn once(&self) {
        self.handshake();
        for (key, message, signature) in &self.verifies {
            let _ = black_box(AwsLc.es256_verify(key, &[message], signature));
        }
        self.hashes.iter().for_each(|bytes| {
            black_box(AwsLc.sha256(&[bytes]));
        });
        self.long_hashes.iter().for_each(|bytes| {
            black_box(AwsLc.sha512(&[bytes]));
        });
        self.macs.iter().for_each(|(key, bytes)| {
            black_box(AwsLc.hmac_sha512(key, &[bytes]));
        });
        let room = [0u8; TRANSCRIPT_SIZE];
        for size in HASHED_SIZES {
            black_box(digest::digest(&digest::SHA256, &room[..size]));
        }
        for size in SIGNED_SIZES {
            self.sign(&room[..size]);
        }
        for size in RANDOM_SIZES {
            let _ = black_box(rand::fill(&mut [0; 32][..size]));
        }
    }

    /// The server's half of a TLS 1.3 connection with TLS_AES_256_GCM_SHA384.
    fn handshake(&self) {
        let _ = black_box(X25519MLKEM768.start_and_complete(&self.client_share));
        let room = [0u8; TRANSCRIPT_SIZE];
        let mut transcript = digest::Context::new(&digest::SHA384);
        for part in room.chunks(TRANSCRIPT_SIZE.div_ceil(TRANSCRIPT_HASHES)) {
            transcript.update(part);
            black_box(transcript.clone().finish());
        }
        for _ in 0..KEY_SCHEDULE_HMACS {
            let key = hmac::Key::new(hmac::HMAC_SHA384, &room[..48]);
            black_box(hmac::sign(&key, &room[..80]));
        }
        // CertificateVerify: 64 spaces, a label, the transcript's hash.
        self.sign(&room[..146]);
        self.records();
    }

    /// Four keys, and each record once.
    fn records(&self) {
        let mut room = [0u8; TRANSCRIPT_SIZE];
        let keys = [1u8, 2, 3, 4].map(|byte| UnboundKey::new(&AES_256_GCM, &[byte; 32]));
        let keys: Vec<_> = keys.into_iter().flatten().map(LessSafeKey::new).collect();
        for (size, key) in RECORD_SIZES.into_iter().zip(keys.iter().cycle()) {
            let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
            let sealed = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut room[..size]);
            let _ = black_box(sealed);
        }
    }

    fn sign(&self, message: &[u8]) {
        let _ = black_box(self.signer.sign(&SystemRandom::new(), message));
    }
}
