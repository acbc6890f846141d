//! The algorithms of the ROM, for the program that it starts: one table at a fixed address.
//!
//! What is true of it: the ROM's code is verified by nobody and changed by nobody, so that the
//! program need not carry its own; a table of another magic or version is not called.

use crate::map;
use core::ptr;
use craton_trust::crypto::{Crypto, KeyedCrypto, Signature, Signer};
use craton_trust::key::LmsPublicKey;
use craton_trust::{Digest, Error, PublicKey, lms};
use zeroize::Zeroize as _;

/// A part of a message.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Part {
    at: *const u8,
    length: usize,
}

/// A message in parts.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Parts {
    first: *const Part,
    count: usize,
}

/// The most parts of a message: twice what any caller has.
const PARTS_MAX: usize = 8;
const MAGIC: [u8; 8] = *b"craton\x02t";

// SAFETY: of each: parts are readable, places to write to are writable and read by nobody
// else, for the time of the call.
type Sha256 = unsafe extern "C" fn(Parts, *mut [u8; 32]);
// SAFETY: as above.
type Sha512 = unsafe extern "C" fn(Parts, *mut [u8; 64]);
// SAFETY: as above.
type HmacSha512 = unsafe extern "C" fn(Part, Parts, *mut [u8; 64]);
// SAFETY: as above.
type Es256Verify = unsafe extern "C" fn(*const [u8; 64], Parts, *const [u8; 64]) -> u32;
// SAFETY: as above.
type LmsRoot =
    unsafe extern "C" fn(*const LmsPublicKey, Parts, *const lms::Signature, *mut lms::Root) -> u32;
// SAFETY: as above.
type Es256Public = unsafe extern "C" fn(*const [u8; 32], *mut [u8; 64]) -> u32;
// SAFETY: as above.
type Es256Sign = unsafe extern "C" fn(*const [u8; 32], Parts, *mut [u8; 64]) -> u32;

/// What the ROM does for others. Every pointer is read or written only during the call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Table {
    magic: [u8; 8],
    sha256: Sha256,
    sha512: Sha512,
    hmac_sha512: HmacSha512,
    es256_verify: Es256Verify,
    lms_root: LmsRoot,
    es256_public: Es256Public,
    es256_sign: Es256Sign,
}

/// What the functions return.
const DONE: u32 = 0x3c96_a569;
const KEY_INVALID: u32 = 1;

impl Table {
    /// The table of the algorithms `C`, which the ROM places.
    #[must_use]
    pub const fn of<C: KeyedCrypto + Default>() -> Self {
        Self {
            magic: MAGIC,
            sha256: sha256::<C>,
            sha512: sha512::<C>,
            hmac_sha512: hmac_sha512::<C>,
            es256_verify: es256_verify::<C>,
            lms_root: lms_root::<C>,
            es256_public: es256_public::<C>,
            es256_sign: es256_sign::<C>,
        }
    }
}

/// Calls `with` with the parts that a caller passed.
///
/// # Safety
/// The parts are readable.
unsafe fn with_parts<T>(parts: Parts, with: impl FnOnce(&[&[u8]]) -> T) -> T {
    let mut room: [&[u8]; PARTS_MAX] = [&[]; PARTS_MAX];
    let count = parts.count;
    if count > PARTS_MAX {
        stop();
    }
    // SAFETY: this function's contract.
    let parts = unsafe { core::slice::from_raw_parts(parts.first, count) };
    for (place, part) in room.iter_mut().zip(parts) {
        // SAFETY: this function's contract.
        *place = unsafe { core::slice::from_raw_parts(part.at, part.length) };
    }
    with(room.get(..count).unwrap_or(&[]))
}

unsafe extern "C" fn sha256<C: KeyedCrypto + Default>(parts: Parts, out: *mut [u8; 32]) {
    // SAFETY: the table's contract.
    unsafe { *out = with_parts(parts, |parts| C::default().sha256(parts).0) }
}

unsafe extern "C" fn sha512<C: KeyedCrypto + Default>(parts: Parts, out: *mut [u8; 64]) {
    // SAFETY: the table's contract.
    unsafe { *out = with_parts(parts, |parts| C::default().sha512(parts)) }
}

unsafe extern "C" fn hmac_sha512<C: KeyedCrypto + Default>(
    key: Part,
    parts: Parts,
    out: *mut [u8; 64],
) {
    // SAFETY: the table's contract.
    unsafe {
        let key = core::slice::from_raw_parts(key.at, key.length);
        *out = with_parts(parts, |parts| C::default().hmac_sha512(key, parts));
    }
}

unsafe extern "C" fn es256_verify<C: KeyedCrypto + Default>(
    key: *const [u8; 64],
    parts: Parts,
    signature: *const [u8; 64],
) -> u32 {
    // SAFETY: the table's contract.
    let verdict = unsafe {
        let key = &*key.cast::<PublicKey>();
        with_parts(parts, |parts| C::default().es256_verify(key, parts, &*signature))
    };
    code(verdict)
}

unsafe extern "C" fn lms_root<C: KeyedCrypto + Default>(
    key: *const LmsPublicKey,
    parts: Parts,
    signature: *const lms::Signature,
    out: *mut lms::Root,
) -> u32 {
    // SAFETY: the table's contract.
    unsafe {
        let root = with_parts(parts, |parts| C::default().lms_root(&*key, parts, &*signature));
        code(root.map(|root| *out = root))
    }
}

unsafe extern "C" fn es256_public<C: KeyedCrypto + Default>(
    secret: *const [u8; 32],
    out: *mut [u8; 64],
) -> u32 {
    // SAFETY: the table's contract.
    unsafe {
        code(C::default().key(&*secret).map(|key| {
            *out = key.public_key().0;
        }))
    }
}

unsafe extern "C" fn es256_sign<C: KeyedCrypto + Default>(
    secret: *const [u8; 32],
    parts: Parts,
    out: *mut [u8; 64],
) -> u32 {
    // SAFETY: the table's contract.
    unsafe {
        let key = C::default().key(&*secret);
        code(key.and_then(|key| with_parts(parts, |parts| key.sign(parts))).map(|signature| {
            *out = signature;
        }))
    }
}

/// A fault. Nobody has so many parts, and a hash cannot refuse: a shorter message would be another
/// one.
fn stop() -> ! {
    cortex_m::asm::udf()
}

fn code(verdict: craton_trust::error::Result<()>) -> u32 {
    match verdict {
        Ok(()) => DONE,
        Err(Error::KeyInvalid) => KEY_INVALID,
        Err(_) => 0,
    }
}

/// The ROM's algorithms, as a program sees them.
#[derive(Clone, Copy)]
pub struct Rom(&'static Table);

impl Rom {
    /// The table in this chip's ROM; `None` if it is not the one of this program.
    #[must_use]
    pub fn find() -> Option<Self> {
        // SAFETY: the ROM of every board is this long, and nobody writes to it.
        let table = unsafe { &*ptr::with_exposed_provenance::<Table>(map::ROM_TABLE) };
        (table.magic == MAGIC).then_some(Self(table))
    }
}

/// Calls `with` with parts as the table wants them.
fn passed<T>(parts: &[&[u8]], with: impl FnOnce(Parts) -> T) -> T {
    let mut room = [Part { at: ptr::null(), length: 0 }; PARTS_MAX];
    if parts.len() > PARTS_MAX {
        stop();
    }
    for (place, part) in room.iter_mut().zip(parts) {
        *place = Part { at: part.as_ptr(), length: part.len() };
    }
    with(Parts { first: room.as_ptr(), count: parts.len() })
}

impl Crypto for Rom {
    fn sha256(&self, parts: &[&[u8]]) -> Digest {
        let mut out = [0u8; 32];
        // SAFETY: the ROM reads the parts and writes `out` during the call only.
        passed(parts, |parts| unsafe { (self.0.sha256)(parts, &raw mut out) });
        Digest(out)
    }

    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        let mut out = [0u8; 64];
        // SAFETY: as above.
        passed(parts, |parts| unsafe { (self.0.sha512)(parts, &raw mut out) });
        out
    }

    fn hmac_sha512(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
        let mut out = [0u8; 64];
        let key = Part { at: key.as_ptr(), length: key.len() };
        // SAFETY: as above.
        passed(parts, |parts| unsafe { (self.0.hmac_sha512)(key, parts, &raw mut out) });
        out
    }

    fn es256_verify(
        &self,
        key: &PublicKey,
        parts: &[&[u8]],
        signature: &Signature,
    ) -> craton_trust::error::Result<()> {
        // SAFETY: as above.
        let code = passed(parts, |parts| unsafe {
            (self.0.es256_verify)(&raw const key.0, parts, signature)
        });
        verdict(code, Error::SignatureInvalid)
    }

    fn lms_root(
        &self,
        key: &LmsPublicKey,
        parts: &[&[u8]],
        signature: &lms::Signature,
    ) -> craton_trust::error::Result<lms::Root> {
        let mut root = [0u8; lms::ROOT_SIZE];
        // SAFETY: as above.
        let code = passed(parts, |parts| unsafe {
            (self.0.lms_root)(key, parts, signature, &raw mut root)
        });
        verdict(code, Error::SignatureInvalid)?;
        Ok(root)
    }
}

fn verdict(code: u32, otherwise: Error) -> craton_trust::error::Result<()> {
    match code {
        DONE => Ok(()),
        KEY_INVALID => Err(Error::KeyInvalid),
        _ => Err(otherwise),
    }
}

/// A private key, for the ROM to sign by.
pub struct RomKey {
    rom: Rom,
    secret: [u8; 32],
    public: PublicKey,
}

impl Drop for RomKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl KeyedCrypto for Rom {
    type Key = RomKey;

    fn key(&self, secret: &[u8; 32]) -> craton_trust::error::Result<RomKey> {
        let mut public = PublicKey([0; 64]);
        // SAFETY: the ROM reads `secret` and writes `public` during the call only.
        let code = unsafe { (self.0.es256_public)(secret, &raw mut public.0) };
        verdict(code, Error::KeyInvalid)?;
        Ok(RomKey { rom: *self, secret: *secret, public })
    }
}

impl Signer for RomKey {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, parts: &[&[u8]]) -> craton_trust::error::Result<Signature> {
        let mut out = [0u8; 64];
        // SAFETY: the ROM reads the key and the parts, and writes `out`, during the call only.
        let code = passed(parts, |parts| unsafe {
            (self.rom.0.es256_sign)(&raw const self.secret, parts, &raw mut out)
        });
        verdict(code, Error::KeyInvalid)?;
        Ok(out)
    }
}
