//! The second look at a program, without a branch: what speaks against it, as bits of a word.
//!
//! Rule ROT-18: no single instruction that is skipped, and no single bit that flips while a word is
//! loaded, makes a ROM start a bad program. So each fact is compared twice, by different
//! instructions: [`super::rom`] compares it and branches, and [`doubts`] reads what decides once
//! more (fuses, state, section, envelope) and ORs the differences, of which none is a branch. The
//! word that comes of it is mixed into the address that the ROM jumps to: whoever skips a branch
//! jumps to nowhere. What is costly is computed once, the program's digest, the point and the root
//! that the signatures lead to, and those values are compared twice.
//!
//! What is compared, each by a line of [`doubts`]: that the signatures lead where they should, that
//! there are as many of each algorithm as the role wants, by keys that it has, and over the digest
//! that is there; the signed digest with that of the manifest that was verified and with that of
//! the manifest as it is read again; the payload's digest, place and size, and that what was hashed
//! is what lies there; class, component and type; the version with floor and ceiling; the genesis
//! with the fuses; that the state is the newest, its sum the right one, and made as sums are; the
//! section's digest with the state's; and state and section with those of the first look, so that
//! both looked at one. The layer, which is derived later: its mode by [`doubt_mode`], lifecycle and
//! class by [`doubt_configuration`]; its secrets, which are derived twice, and a known layer's
//! once; and the handover as it was left ([`super::layer`]).
//!
//! It promises nothing about two faults, or one that lasts for more than an instruction.

use super::layer::CONFIGURED;
use super::reset::load_first;
use super::rom::{self, Runtime};
use super::state::{FLOOR_SIZE, Program, State};
use crate::error::Result;
use crate::platform::{Row, Source};
use core::cell::Cell;
use core::hint::black_box;
use craton_trust::crypto::{Crypto, Leads, Mixed, Signature};
use craton_trust::dice::Mode;
use craton_trust::error::Result as TrustResult;
use craton_trust::evidence::Lifecycle;
use craton_trust::key::LmsPublicKey;
use craton_trust::signed::SIGNATURES_MAX;
use craton_trust::store::{Role, RoleKeys};
use craton_trust::suit::{self, Image, ImageType};
use craton_trust::{Digest, PublicKey, cbor, lms};

/// Algorithms that remember by how much the signatures failed that they verified, where that lies
/// what the last one was over, and by which keys, and how many of each algorithm, they were.
pub struct Watched<'c, C> {
    crypto: &'c C,
    difference: Cell<u32>,
    signed: Cell<usize>,
    signers: Signers,
}

/// How keys begin: nobody makes another one that begins as this one does.
type Head = [u8; 16];

/// The keys that signed. One after another: a skipped instruction that leaves one in the place
/// of the next makes no two of it.
struct Signers {
    /// Of each algorithm.
    counts: [Cell<u32>; 2],
    heads: [Cell<Head>; 2 * SIGNATURES_MAX],
}

impl Signers {
    const fn none() -> Self {
        let heads = [const { Cell::new([0; 16]) }; 2 * SIGNATURES_MAX];
        Self { counts: [const { Cell::new(0) }; 2], heads }
    }

    #[inline(never)] // for both algorithms
    fn count(&self, lms: bool, key: &[u8]) {
        let [es256_count, lms_count] = &self.counts;
        let all = es256_count.get().wrapping_add(lms_count.get()) as usize;
        let count = if lms { lms_count } else { es256_count };
        let Some(head) = key.first_chunk() else { return };
        let before = self.heads.get(all.wrapping_sub(1)).map_or([0; 16], Cell::get);
        let other = difference(&before, head);
        let one = (other | other.wrapping_neg()) >> 31;
        if let Some(place) = self.heads.get(all) {
            place.set(*head);
        }
        count.set(count.get().wrapping_add(one));
    }

    /// All ones if one of them is no key of a role, all of whose keys these are: what a first look
    /// took for its keys, where their address was another one.
    fn foreign(&self, keys: &[u8]) -> u32 {
        let [count, lms_count] = &self.counts;
        let all = count.get().wrapping_add(lms_count.get()) as usize;
        self.heads.iter().take(all).fold(0, |all, head| {
            let listed = keys.windows(16).any(|key| key == head.get());
            all | below(u64::from(listed), 1)
        })
    }
}

impl<'c, C: Leads> Watched<'c, C> {
    pub const fn new(crypto: &'c C) -> Self {
        let (difference, signed) = (Cell::new(0), Cell::new(0));
        Self { crypto, difference, signed, signers: Signers::none() }
    }

    /// Takes where the parts end that a signature is over. The last one is enough: if another one
    /// was over something else, this one is not over it, and does not hold.
    fn saw(&self, parts: &[&[u8]]) {
        self.signed.set(parts.last().map_or(0, |part| part.as_ptr().addr()));
    }

    /// Compares what a signature leads to with what it should, for both looks.
    fn compare(&self, found: &Mixed, right: &[u8]) -> TrustResult<()> {
        self.difference.set(self.difference.get() | found.difference(right));
        if found.is(right) { Ok(()) } else { Err(craton_trust::Error::SignatureInvalid) }
    }
}

impl<C: Leads> Crypto for Watched<'_, C> {
    fn sha256(&self, parts: &[&[u8]]) -> Digest {
        self.crypto.sha256(parts)
    }

    fn sha256_mixed(&self, parts: &[&[u8]]) -> Mixed {
        self.crypto.sha256_mixed(parts)
    }

    fn doubt_read(&self, found: &Mixed, parts: &[&[u8]]) -> u32 {
        self.crypto.doubt_read(found, parts)
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        self.crypto.sha512(parts)
    }

    fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
        self.crypto.hmac_sha512(key, parts)
    }

    fn es256_verify(
        &self,
        key: &PublicKey,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> TrustResult<()> {
        let [found, counter] = self.crypto.es256_leads(key, parts, signature)?;
        self.saw(parts);
        self.signers.count(false, &key.0);
        self.compare(&found, &counter.complement())
    }

    fn lms_root(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> TrustResult<lms::Root> {
        self.crypto.lms_root(key, parts, signature)
    }

    fn lms_verify(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> TrustResult<()> {
        let root = self.crypto.lms_leads(key, parts, signature)?;
        self.saw(parts);
        self.signers.count(true, &key.root);
        self.compare(&root, &key.root)
    }
}

/// What speaks against a program that the branches of [`rom::select`] found good: 0 is nothing.
///
/// # Errors
/// Those of reading all of it once more.
#[inline(never)] // its room leaves the stack before a layer is derived
pub fn doubts<C: Leads>(
    platform: &impl Source,
    crypto: &Watched<'_, C>,
    package: &[u8],
    runtime: &mut Runtime<'_>,
) -> Result<u32> {
    let mut state = State::blank();
    let journal = load_first(platform, crypto, (&mut state, State::read_of_rom))?;
    let outdated = journal.is_outdated(platform, crypto)?;
    let key = journal.doubt_key(platform, crypto)?;
    let mut room = [0u8; rom::PUBLISHER_SIZE];
    let (authority, section) = rom::publisher(platform, crypto, &state, &mut room)?;
    let (keys, [count, lms_count]) = (authority.keys(), &crypto.signers.counts);
    let (program, envelope) = rom::split(package)?;
    let (signed, place) = suit::unchecked_digest(envelope)?;
    let (found, manifest) = suit::unchecked_manifest(crypto, envelope)?;
    let image = Image::parse(manifest)?;
    let (mut genesis, mut class, mut lifecycle) = ([0xff; 32], [0xff; 16], [0xff; 4]);
    platform.row(Row::PlatformGenesis, &mut genesis)?;
    platform.row(Row::Class, &mut class)?;
    platform.row(Row::Lifecycle, &mut lifecycle)?;
    // In the factory, before the first boot, nothing has a floor; after it, what lost it is below
    // any.
    let lost = below(0, state.boot) | left_the_factory(lifecycle);
    let lost = Program { security_version: u64::from(lost), ..runtime.about() };
    let own = state.own.unwrap_or(lost);
    let publisher = authority.role(Role::Publisher);
    let [state_before, section_before] = runtime.believed();
    let against = [
        crypto.difference.get(),
        too_few(count.get(), lms_count.get(), publisher),
        crypto.signers.foreign(keys),
        authority.doubt_role(Role::Publisher),
        unequal(place.as_ptr().addr() as u64, crypto.signed.get() as u64),
        difference(&signed.0, &runtime.manifest().0),
        found.difference(&signed.0),
        runtime.found().difference(&image.payload.0),
        difference(&runtime.digest().0, &image.payload.0),
        unequal(program.len() as u64, image.payload_size),
        unequal(program.as_ptr().addr() as u64, runtime.program().as_ptr().addr() as u64),
        unequal(program.len() as u64, runtime.program().len() as u64),
        difference(&class, &image.class.0),
        difference(&own.component.0, &image.component.0),
        unequal(image.image_type as u64, runtime.wanted() as u64),
        below(image.security_version, own.security_version),
        doubt_floor(state.own.as_ref(), &state.floor_bytes),
        below(authority.ceiling, image.security_version),
        unequal(image.security_version, runtime.about().security_version),
        difference(&genesis, &state.platform.genesis.0),
        unequal(outdated.into(), 0),
        journal.doubt(),
        key,
        difference(&journal.sum().0, &state_before.0),
        section,
        difference(&state.platform.digest.0, &section_before.0),
        // Last: what a fault of the others changed in the program is read as it is now.
        crypto.doubt_read(runtime.found(), &[program]),
    ];
    runtime.set_debug_head(state.debug_head);
    Ok(against.iter().fold(0, |all, bits| all | bits))
}

/// By which a role's signatures are too few, of either algorithm, or its keys not those that its
/// section lists: who lost an LMS key while he read must not take the role for one without.
fn too_few(count: u32, lms_count: u32, role: RoleKeys<'_>) -> u32 {
    let signers = u64::from(role.threshold).max(1);
    let (keys, lms_keys) = (role.keys().len() as u64, role.lms_keys().len() as u64);
    let hybrid = !below(lms_keys, 1);
    below(count.into(), signers)
        | (hybrid & below(lms_count.into(), signers))
        | unequal(role.listed.into(), keys.wrapping_add(lms_keys))
}

/// By what a floor is another one than these bytes of CBOR say (RFC 8949 §3.1): both looks read it
/// by one function, whose answer a flipped bit would lower for both.
fn doubt_floor(own: Option<&Program>, [head, rest @ ..]: &[u8; FLOOR_SIZE]) -> u32 {
    let Some(own) = own else { return 0 }; // then none is lost (above)
    let size = match head {
        0x18..=0x1b => 1usize << (head - 0x18),
        _ => 0,
    };
    let bytes = rest.iter().take(size);
    let long = bytes.fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    unequal(own.security_version, if size == 0 { u64::from(*head) } else { long })
}

/// All ones if any burned byte of the lifecycle says that a chip left the factory.
fn left_the_factory([_, module, device, returned]: [u8; 4]) -> u32 {
    let burned = |byte: u8| below(4, byte.count_ones().into());
    burned(module) | burned(device) | burned(returned)
}

/// What speaks against a layer being of this mode: 0 is nothing. `debug_head` is the byte that the
/// state begins `debug_next` with, and `unasked` 0 if Recovery was asked for.
pub fn doubt_mode(mode: Mode, debug_head: u8, wanted: ImageType, unasked: u32) -> u32 {
    let other = black_box(wanted) as u64 ^ ImageType::Recovery as u64;
    let recovery = below(unasked.into(), 1) | below(other, 1);
    let debug = black_box(debug_head) ^ cbor::FALSE_HEAD; // of true it is 1
    let started = (Mode::Normal as u32 + u32::from(debug)) & !recovery;
    let right = started | (Mode::Recovery as u32 & recovery);
    unequal(black_box(mode) as u64, right.into())
}

/// What speaks against a layer being of the lifecycle and the class that are burned: 0 is nothing.
/// `found` is what its configuration begins with.
///
/// # Errors
/// `StorageFailed`.
#[inline(never)] // its rooms leave the stack with it
pub fn doubt_configuration(platform: &impl Source, found: &[u8; CONFIGURED]) -> Result<u32> {
    let (mut class, mut rows) = ([0xff; 16], [0xff; 4]);
    platform.row(Row::Class, &mut class)?;
    platform.row(Row::Lifecycle, &mut rows)?;
    let [_, steps @ ..] = rows;
    let all = [Lifecycle::Module1Complete, Lifecycle::DeviceComplete, Lifecycle::Returned];
    let right = steps.iter().zip(all).fold(Lifecycle::Blank as u16, |right, (byte, step)| {
        let burned = below(4, byte.count_ones().into()) as u16;
        (right & !burned) | (step as u16 & burned)
    });
    let [version, high, low, rest @ ..] = found;
    let lifecycle = u16::from_be_bytes([*high, *low]);
    let against = unequal(lifecycle.into(), right.into()) | difference(rest, &class);
    Ok(against | unequal((*version).into(), 1))
}

/// The bits by which two strings of one length differ.
#[inline(never)] // so that no compiler concludes from an earlier comparison what comes of this one
pub fn difference(a: &[u8], b: &[u8]) -> u32 {
    let lengths = unequal(a.len() as u64, b.len() as u64);
    let bytes = black_box(a).iter().zip(black_box(b));
    bytes.fold(lengths, |bits, (a, b)| bits | u32::from(a ^ b))
}

/// The bits by which two numbers differ.
#[inline(never)]
pub fn unequal(a: u64, b: u64) -> u32 {
    let bits = black_box(a) ^ black_box(b);
    bits as u32 | (bits >> 32) as u32
}

/// All ones if a is below b.
#[inline(never)]
pub fn below(a: u64, b: u64) -> u32 {
    u32::from(black_box(a).overflowing_sub(black_box(b)).1).wrapping_neg()
}

/// What a program's start is mixed with. It is far from what a register or an empty memory holds.
pub const GO: u32 = 0x5ac3_96e1;

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::platform::Platform as _;
    use crate::platform::memory::MemoryPlatform;
    use craton_trust::cbor::Writer;
    use craton_trust::evidence::layer_configuration;
    use craton_trust::store::RoleKeysBuilder;
    use craton_trust::{ClassId, ComponentId};
    use std::vec::Vec;

    #[test]
    fn rot_18_a_difference_of_any_bit_is_a_doubt() {
        for bit in 0..256 {
            let mut other = [0x5a; 32];
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(difference(&[0x5a; 32], &other), 0);
        }
        assert_eq!(difference(&[0x5a; 32], &[0x5a; 32]), 0);
        assert_ne!(difference(&[0; 31], &[0; 32]), 0);
        for bit in 0..64 {
            assert_ne!(unequal(1 << bit, 0), 0);
            assert_eq!(unequal(1 << bit, 1 << bit), 0);
        }
        for (a, b) in [(0, 1), (3, 4), (4095, u64::MAX)] {
            assert_eq!((below(a, b), below(b, a), below(a, a)), (!0, 0, 0));
        }
    }

    #[test]
    fn rot_18_a_layer_of_another_mode_is_a_doubt() {
        let (program, rescue) = (ImageType::RootOfTrust, ImageType::Recovery);
        let rows = [
            (0xf4, program, 7, Mode::Normal),
            (0xf5, program, 7, Mode::Debug),
            (0xf4, program, 0, Mode::Recovery),
            (0xf5, program, 0, Mode::Recovery),
            (0xf4, rescue, 7, Mode::Recovery),
            (0xf5, rescue, 0, Mode::Recovery),
        ];
        for (head, wanted, unasked, right) in rows {
            for mode in [Mode::Normal, Mode::Debug, Mode::Recovery] {
                let doubted = doubt_mode(mode, head, wanted, unasked) != 0;
                assert_eq!(doubted, mode != right, "{head:#x} {wanted:?} {unasked} {mode:?}");
            }
        }
        for head in [0, 0xf6, 0xff] {
            for mode in [Mode::Normal, Mode::Debug] {
                assert_ne!(doubt_mode(mode, head, program, 7), 0, "{head:#x}");
            }
        }
    }

    #[test]
    fn rot_18_a_layer_of_another_lifecycle_or_class_is_a_doubt() {
        let steps = [
            (Lifecycle::Blank, [0xff, 0, 0, 0]),
            (Lifecycle::Module1Complete, [0xff, 0xff, 0, 0]),
            (Lifecycle::DeviceComplete, [0xff, 0xff, 0xff, 0]),
            (Lifecycle::Returned, [0xff, 0xff, 0xff, 0xff]),
            (Lifecycle::Returned, [0xff, 0, 0, 0x1f]),
            (Lifecycle::Module1Complete, [0xff, 0x7f, 0x0f, 0x0f]),
        ];
        let all = [Lifecycle::Blank, Lifecycle::Module1Complete]
            .into_iter()
            .chain([Lifecycle::DeviceComplete, Lifecycle::Returned]);
        for (right, rows) in steps {
            let mut chip = MemoryPlatform::new();
            chip.burn(Row::Lifecycle, &rows).unwrap();
            chip.burn(Row::Class, &[6; 16]).unwrap();
            for lifecycle in all.clone() {
                let configuration = layer_configuration(lifecycle, &ClassId([6; 16]));
                let begins: [u8; CONFIGURED] = *configuration.first_chunk().unwrap();
                let doubted = doubt_configuration(&chip, &begins).unwrap() != 0;
                assert_eq!(doubted, lifecycle != right, "{rows:?} {lifecycle:?}");
                for bit in 0..CONFIGURED * 8 {
                    let mut other = begins;
                    other[bit / 8] ^= 1 << (bit % 8);
                    let doubt = doubt_configuration(&chip, &other).unwrap();
                    assert!(doubt != 0 || lifecycle != right, "{bit}");
                }
            }
        }
    }

    #[test]
    fn rot_18_a_key_that_comes_again_is_no_second_signer() {
        let signers = Signers::none();
        for (key, lms, counts) in [
            (1, false, [1, 0]),
            (1, false, [1, 0]),
            (2, false, [2, 0]),
            (3, true, [2, 1]),
            (3, true, [2, 1]),
            (4, true, [2, 2]),
        ] {
            signers.count(lms, &[key; 24]);
            assert_eq!(signers.counts.each_ref().map(Cell::get), counts);
        }
        let one_bit = Signers::none();
        for bit in 0..2 * SIGNATURES_MAX {
            let mut key = [5; 64];
            key[bit] ^= 1;
            one_bit.count(false, &key);
            assert_eq!(one_bit.counts[0].get() as usize, bit + 1);
        }
    }

    #[test]
    fn rot_18_a_key_that_a_role_does_not_have_is_a_doubt() {
        let keys: Vec<u8> = (0..200).collect();
        let signers = Signers::none();
        assert_eq!(signers.foreign(&keys), 0);
        for (lms, at) in [(false, 3), (true, 70), (false, 176)] {
            signers.count(lms, &keys[at..at + 24]);
            assert_eq!(signers.foreign(&keys), 0);
        }
        assert_eq!(signers.foreign(&keys[..190]), !0, "the third is not whole there");
        for lms in [false, true] {
            let signers = Signers::none();
            let mut other = keys[3..27].to_vec();
            other[15] ^= 1;
            signers.count(lms, &other);
            assert_eq!(signers.foreign(&keys), !0);
            signers.count(lms, &keys[3..27]);
            assert_eq!(signers.foreign(&keys), !0, "a right one after it");
        }
    }

    #[test]
    fn rot_18_a_floor_that_was_read_as_another_is_a_doubt() {
        let component = ComponentId([0x82; 16]);
        for bits in 0..64 {
            for security_version in [(1 << bits) - 1, 1 << bits, u64::MAX >> bits] {
                let own = Program { component, security_version };
                let (mut body, mut bytes) = ([0; 40], [0; FLOOR_SIZE]);
                let mut writer = Writer::new(&mut body);
                Program::write_optional(Some(&own), &mut writer).unwrap();
                let length = writer.length();
                bytes[..length - 18].copy_from_slice(&body[18..length]);
                assert_eq!(doubt_floor(Some(&own), &bytes), 0, "{security_version}");
                for bit in 0..64 {
                    let flipped = security_version ^ 1 << bit;
                    let other = Program { security_version: flipped, ..own };
                    assert_ne!(doubt_floor(Some(&other), &bytes), 0);
                }
            }
        }
    }

    #[test]
    fn rot_18_a_missing_signature_of_either_algorithm_is_a_doubt() {
        let mut role = RoleKeysBuilder::new(2);
        (1..=3).for_each(|seed| role.push(PublicKey([seed; 64])).unwrap());
        for (count, doubt) in [(0, true), (1, true), (2, false), (3, false)] {
            assert_eq!(too_few(count, 0, role.role_keys()) != 0, doubt, "{count}");
        }
        let root = [8; lms::ROOT_SIZE];
        (1..=2).for_each(|id| role.push_lms(LmsPublicKey { id: [id; 16], root }).unwrap());
        for (count, lms_count, doubt) in [(2, 2, false), (2, 1, true), (2, 0, true), (1, 2, true)] {
            assert_eq!(too_few(count, lms_count, role.role_keys()) != 0, doubt);
        }
        let mut lost = role.role_keys();
        lost.listed += 1;
        assert_ne!(too_few(2, 2, lost), 0, "a key that was lost while it was read");
    }
}
