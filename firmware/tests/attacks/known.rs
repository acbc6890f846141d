//! What a host that reads fuses and flash derives: every secret of a chip by its name, where it may
//! be, and in which forms a memory may hold it.

use super::board::Psram;
use super::world::{APP, CLASS, RUNTIME, owner_section, platform_section};
use craton_firmware::map;
use craton_rot::platform::{Row, SECTOR_SIZE};
use craton_trust::crypto::{Crypto as _, KeyedCrypto as _, Signer as _};
use craton_trust::dice::{Inputs, Layer};
use craton_trust::evidence::{Lifecycle, layer_configuration};
use craton_trust::soft::Soft;
use craton_trust::{ComponentId, Digest, PublicKey};
use std::collections::{BTreeSet, HashMap};

/// Where a secret may be while the runtime runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Home {
    /// Nowhere.
    None,
    /// In the engine: the key that attests.
    Attester,
    /// In the engine, until it booted: what every sealing key comes from.
    Root,
    /// In the engine: what an erase replaces.
    Epoch,
    /// In the engine: what the state is kept under (ROT-24).
    State,
    /// In the engine that booted: rungs, and the root of the device-auth keys.
    Boot,
    /// In the other side's RAM: it came and goes over the line.
    Plain,
    /// In a blank chip, which used none of its random numbers yet.
    Random,
    /// In a ROM that waits: what it blinds the next signature by (ROT-25).
    Blinding,
}

/// A secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known {
    pub name: String,
    pub home: Home,
    pub bytes: Vec<u8>,
}

/// What is read of a chip, and what is told of its program.
#[derive(Clone, PartialEq, Eq)]
pub struct Facts {
    pub secret: [u8; 32],
    pub epochs: BTreeSet<[u8; 32]>,
    /// Of erased epochs.
    pub erased: BTreeSet<[u8; 32]>,
    pub seeds: BTreeSet<Vec<u8>>,
    pub program: Digest,
    /// What the device-auth key, or the key that attests, signed.
    pub signed: Vec<Digest>,
    /// What was sealed.
    pub plain: Vec<Vec<u8>>,
}

/// A seed that is no pattern.
pub fn seeded(psram: Psram) -> Psram {
    psram.write(map::SEED, &Soft.sha512(&[b"a seed of the test"]));
    psram
}

/// A step of a ladder: HMAC-SHA-512, its first half.
fn derive(secret: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    *Soft.hmac_sha512(secret, parts).first_chunk().unwrap()
}

/// The nonce of a key and a digest (RFC 6979 §3.2), by HMAC-SHA-256.
fn nonce(key: &[u8; 32], digest: &Digest) -> [u8; 32] {
    let hmac = |key: &[u8; 32], parts: &[&[u8]]| {
        let pad = |with: u8| {
            let mut pad = [with; 64];
            pad.iter_mut().zip(key).for_each(|(pad, byte)| *pad ^= byte);
            pad
        };
        let (inner, outer) = (pad(0x36), pad(0x5c));
        Soft.sha256(&[&outer, &Soft.sha256(&[&[&inner[..]], parts].concat()).0]).0
    };
    let z = modulo(&digest.0);
    let (mut k, mut v) = ([0; 32], [1; 32]);
    for step in [0, 1] {
        k = hmac(&k, &[&v, &[step], key, &z]);
        v = hmac(&k, &[&v]);
    }
    hmac(&k, &[&v])
}

/// n, the order of the group of P-256 (SP 800-186 §3.2.1.3), big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// A number minus n; nothing if it is smaller.
fn less_order(number: &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut borrow) = (vec![0; number.len()], 0);
    let order = ORDER.iter().rev().chain(std::iter::repeat(&0));
    for (place, (a, b)) in rest.iter_mut().rev().zip(number.iter().rev().zip(order)) {
        let difference = i16::from(*a) - i16::from(*b) - borrow;
        (*place, borrow) = (difference as u8, i16::from(difference < 0));
    }
    (borrow == 0).then_some(rest)
}

fn modulo(number: &[u8; 32]) -> [u8; 32] {
    less_order(number).map_or(*number, |rest| rest.try_into().unwrap())
}

/// A number times 2²⁵⁶ modulo n: how the curve's code keeps it.
fn montgomery(number: &[u8; 32]) -> [u8; 32] {
    let mut number = [&[0], &modulo(number)[..]].concat();
    for _ in 0..256 {
        let mut carry = 0;
        for byte in number.iter_mut().rev() {
            let double = u16::from(*byte) << 1 | carry;
            (*byte, carry) = (double as u8, double >> 8);
        }
        number = less_order(&number).unwrap_or(number);
    }
    number[1..].try_into().unwrap()
}

/// The rung of a component's ladder at a version below 64, every other step of that ladder, and the
/// keys that data was sealed by.
fn ladder(root: &[u8; 32], version: usize) -> ([[u8; 32]; 2], Vec<[u8; 32]>) {
    let down = |from: [u8; 32]| {
        let step = |at: &[u8; 32]| Some(derive(at, &[b"craton/1/ladder/down"]));
        std::iter::successors(Some(from), step).take(64).collect::<Vec<_>>()
    };
    let high = down(derive(root, &[b"craton/1/ladder/high"]));
    let low = down(derive(&high[63], &[b"craton/1/ladder/low"]));
    let rung = low[63 - version];
    let keys = low.iter().map(|step| derive(step, &[b"craton/1/ladder/key"]));
    let others = high.iter().chain(&low).filter(|step| **step != rung).copied();
    ([rung, derive(&rung, &[b"craton/1/ladder/key"])], others.chain(keys).collect())
}

/// The keys of one layer's mode.
struct Keys {
    identity: [u8; 32],
    attester: [u8; 32],
}

/// Bytes of a state's header.
const HEADER_SIZE: usize = 52;

impl Facts {
    /// What the file of a PSRAM tells, of a chip that runs this program.
    pub fn of(psram: &Psram, program: &[u8]) -> Self {
        let (at, length) = Row::Uds.place();
        let sector = |number: usize| psram.read(map::STATE + number * SECTOR_SIZE, SECTOR_SIZE);
        let epochs = [0, 1].into_iter().filter_map(|number| {
            let bytes = sector(number);
            // The epoch secret is the first byte string of 32 bytes in the state, behind its
            // header, which is as random.
            let body = bytes.get(HEADER_SIZE..)?;
            let at = body.windows(2).position(|head| head == [0x58, 0x20])? + 2;
            body.get(at..at + 32)?.try_into().ok()
        });
        Self {
            secret: psram.read(map::FUSES + at, length).try_into().unwrap(),
            epochs: epochs.collect(),
            erased: BTreeSet::new(),
            seeds: BTreeSet::from([psram.read(map::SEED, map::SEED_SIZE)]),
            program: Soft.sha256(&[program]),
            signed: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// Every secret of this chip, and the public key of its identity.
    pub fn secrets(&self) -> (Vec<Known>, PublicKey) {
        let mut all = BTreeSet::new();
        let mut add = |home: Home, name: &str, bytes: &[u8]| {
            all.insert(Known { name: name.to_owned(), home, bytes: bytes.to_vec() });
        };
        let mut identity = PublicKey([0; 64]);
        self.seeds.iter().for_each(|seed| {
            add(Home::None, "seed", seed);
            let begun = Soft.hmac_sha512(seed, &[b"craton/1/seed/this"]);
            add(Home::Random, "first key of the random numbers", &begun);
        });
        if self.secret == [0; 32] {
            return (all.into_iter().collect(), identity); // a blank chip
        }
        add(Home::None, "device secret", &self.secret);
        let state = derive(&self.secret, &[b"craton/1/state/key"]);
        add(Home::State, "key of the state", &state);
        add(Home::None, "own words", &derive(&self.secret, &[b"craton/1/start"]));
        add(Home::Blinding, "key of blinding", &derive(&self.secret, &[b"craton/1/blind"]));
        for (lifecycle, mode) in [Lifecycle::Blank, Lifecycle::Module1Complete]
            .into_iter()
            .flat_map(|lifecycle| [1, 2, 3].map(|mode| (lifecycle, mode)))
        {
            let keys = self.layer(lifecycle, mode, &mut add);
            identity = Soft.key(&keys.identity).unwrap().public_key();
            for digest in &self.signed {
                add(Home::None, "nonce of evidence", &nonce(&keys.attester, digest));
            }
        }
        self.epochs.iter().for_each(|epoch| add(Home::Epoch, "epoch secret", epoch));
        self.erased.iter().for_each(|epoch| add(Home::None, "erased epoch secret", epoch));
        self.plain.iter().for_each(|plain| add(Home::Plain, "what was sealed", plain));
        (all.into_iter().collect(), identity)
    }

    fn layer(
        &self,
        lifecycle: Lifecycle,
        mode: u8,
        add: &mut impl FnMut(Home, &str, &[u8]),
    ) -> Keys {
        let first = Layer::of_uds(&self.secret);
        let genesis = super::world::digest(&platform_section(false));
        let own = first.next(
            &Soft,
            &Inputs {
                code: Soft.sha512(&[&self.program.0]),
                configuration: layer_configuration(lifecycle, &CLASS),
                authority: Soft.sha512(&[&genesis.0]),
                mode,
                hidden: [0; 64],
            },
        );
        let key = |layer: &Layer| layer.private_key(&Soft, |candidate| Ok(*candidate)).unwrap();
        let keys = Keys { identity: key(&first), attester: key(&own) };
        let name = |what: &str| format!("{what} of mode {mode}");
        add(Home::None, "seed of the identity", &first.key_seed(&Soft).0);
        add(Home::None, "key of the identity", &keys.identity);
        add(Home::None, &name("identifier that attests"), &own.attest.0);
        add(Home::None, &name("seed of the key that attests"), &own.key_seed(&Soft).0);
        add(Home::Attester, &name("key that attests"), &keys.attester);
        add(Home::Root, &name("sealing root"), &own.seal.0);
        let owner = super::world::digest(&owner_section(false));
        for (authority, epoch) in
            [genesis, owner].iter().flat_map(|by| self.epochs.iter().map(move |it| (by, it)))
        {
            self.boot(&own.seal.0, (authority, epoch), (Home::Boot, &name), add);
        }
        for (authority, epoch) in
            [genesis, owner].iter().flat_map(|by| self.erased.iter().map(move |it| (by, it)))
        {
            self.boot(&own.seal.0, (authority, epoch), (Home::None, &name), add);
        }
        keys
    }

    /// What one boot uses, and where what it keeps may be.
    fn boot(
        &self,
        root: &[u8; 32],
        (authority, epoch): (&Digest, &[u8; 32]),
        (home, name): (Home, &impl Fn(&str) -> String),
        add: &mut impl FnMut(Home, &str, &[u8]),
    ) {
        let bound = &Soft.sha512(&[&authority.0, epoch]);
        add(Home::None, &name("what a boot is bound to"), bound);
        let client = derive(root, &[b"craton/1/client", bound]);
        add(home, &name("root of device-auth keys"), &client);
        for number in 0..3u64 {
            let key = derive(&client, &[&number.to_be_bytes(), &[0]]);
            add(Home::None, &name("device-auth key"), &key);
            for digest in &self.signed {
                add(Home::None, &name("nonce of a device-auth key"), &nonce(&key, digest));
            }
        }
        let of = |label: &[u8], component: ComponentId| derive(root, &[label, bound, &component.0]);
        for (root, version) in
            [(of(b"craton/1/seal", APP), 1), (of(b"craton/1/seal-unverified", RUNTIME), 0)]
        {
            add(Home::None, &name("root of a ladder"), &root);
            let ([rung, key], others) = ladder(&root, version);
            add(home, &name("rung"), &rung);
            add(Home::None, &name("sealing key"), &key);
            others.iter().for_each(|step| add(Home::None, &name("step of a ladder"), step));
        }
    }
}

/// The forms of a secret in memory: its bytes; as numbers of 32 bits, the first or the last of them
/// first, each with its lowest or its highest byte first; as the keys of HMAC are mixed in; and in
/// Montgomery form modulo n.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let ordered = |bytes: &[u8]| {
        let swapped = bytes.chunks(4).flat_map(|word| word.iter().rev()).copied().collect();
        let backwards: Vec<u8> = bytes.iter().rev().copied().collect();
        let words = backwards.chunks(4).flat_map(|word| word.iter().rev()).copied().collect();
        [bytes.to_vec(), swapped, words, backwards]
    };
    let mixed = |with: u8| bytes.iter().map(move |byte| byte ^ with).collect::<Vec<u8>>();
    let number = <&[u8; 32]>::try_from(bytes).ok().map(montgomery);
    let all = [bytes.to_vec(), mixed(0x36), mixed(0x5c)].into_iter();
    all.chain(number.map(Vec::from)).flat_map(|form| ordered(&form)).collect()
}

/// Bytes of a piece of a secret that is looked for: less is chance.
const PIECE: usize = 8;

/// Finds secrets in memory.
pub struct Seeker {
    pub secrets: Vec<Known>,
    pieces: HashMap<[u8; PIECE], usize>,
}

impl Seeker {
    pub fn of(secrets: Vec<Known>) -> Self {
        let mut pieces = HashMap::new();
        for (number, known) in secrets.iter().enumerate() {
            for form in forms(&known.bytes) {
                let places = (0..=form.len() - PIECE).step_by(4);
                pieces
                    .extend(places.map(|at| (form[at..].first_chunk().copied().unwrap(), number)));
            }
        }
        Self { secrets, pieces }
    }

    /// Where in memory eight bytes of a secret are, and of which.
    pub fn find(&self, memory: &[u8]) -> Vec<(usize, &Known)> {
        let pieces = memory.windows(PIECE).enumerate();
        let found = |piece: &[u8]| self.pieces.get(piece.first_chunk::<PIECE>()?).copied();
        pieces.filter_map(|(at, piece)| Some((at, &self.secrets[found(piece)?]))).collect()
    }
}

/// The search finds what is there: each form of a secret, wherever it begins, whole or a piece.
#[test]
fn rot_23_a_secret_is_found_in_every_form() {
    let bytes: Vec<u8> = Soft.sha256(&[b"a secret"]).0.to_vec();
    let known = Known { name: "one".to_owned(), home: Home::None, bytes: bytes.clone() };
    let seeker = Seeker::of(vec![known]);
    let noise: Vec<u8> = (0..64u8).flat_map(|i| Soft.sha256(&[&[i]]).0).collect();
    assert!(seeker.find(&noise).is_empty());
    let wide: Vec<[u8; 32]> =
        vec![bytes[..].try_into().unwrap(), montgomery(&bytes[..].try_into().unwrap())];
    for number in wide {
        // The words of a number as this crate's curve has them: the lowest first.
        let words = number.rchunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
        let limbs: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        for (form, at) in
            [&number[..], &limbs].iter().flat_map(|form| [0, 1, 777].map(|at| (form, at)))
        {
            let mut memory = noise.clone();
            memory[at..at + 12].copy_from_slice(&form[8..20]);
            let found: Vec<usize> = seeker.find(&memory).iter().map(|(at, _)| *at).collect();
            assert_eq!(found, [at, at + 4]);
        }
    }
}

/// RFC 6979 A.2.5, and one times 2²⁵⁶.
#[test]
fn rot_23_a_nonce_and_a_number_are_those_of_the_standards() {
    let hex = |text: &str| -> [u8; 32] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    };
    let key = hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    let expected = hex("a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60");
    assert_eq!(nonce(&key, &Soft.sha256(&[b"sample"])), expected);
    let mut one = [0; 32];
    one[31] = 1;
    let expected = hex("00000000ffffffff00000000000000004319055258e8617b0c46353d039cdaaf");
    assert_eq!(montgomery(&one), expected);
}
