//! Every way of being broken, by object.

mod addressed;
mod bytes;
mod chain;
mod hybrid;
mod image;
mod log;
mod lot;
mod quote;
mod set;
mod store;

use crate::value::Value;
use crate::vector::Vector;

pub fn all() -> Vec<Vector> {
    [
        addressed::assignments(),
        addressed::capabilities(),
        addressed::endorsements(),
        lot::lots(),
        bytes::cbor(),
        bytes::slots(),
        bytes::failures(),
        chain::certificates(),
        chain::evidence(),
        hybrid::envelopes(),
        hybrid::headers(),
        hybrid::sections(),
        hybrid::keys(),
        hybrid::successors(),
        hybrid::others(),
        image::envelopes(),
        image::manifests(),
        image::footers(),
        image::packages(),
        log::checkpoints(),
        log::inclusions(),
        log::consistencies(),
        quote::evidence(),
        set::vectors(),
        store::genesis(),
        store::encodings(),
        store::shared_keys(),
        store::successors(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The bytes with one bit flipped.
pub fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// The bytes with others behind them.
pub fn followed(bytes: &[u8], by: &[u8]) -> Vec<u8> {
    [bytes, by].concat()
}

/// The bytes without their last one.
pub fn cut(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() - 1].to_vec()
}

/// A signed object whose first signature was changed, not made anew.
pub fn with_signature(object: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut object = Value::decode(object);
    let first = object.item(1).item(0);
    *first = Value::bytes(changed(first.as_bytes(), change));
    object.encode()
}

/// An encoded item, changed.
pub fn changed(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = Value::decode(bytes);
    change(&mut value);
    value.encode()
}

/// A protected header that names another algorithm.
pub fn other_algorithm(sign1: &mut Value) {
    let protected = changed(sign1.item(0).as_bytes(), |header| {
        *header.item(0) = Value::integer(-8);
    });
    *sign1.item(0) = Value::bytes(protected);
}
