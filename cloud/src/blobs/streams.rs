//! How many blobs are on their way at once, in all and for each who asks: a peer that does not
//! read, or sends a byte now and then, takes from itself only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use craton_api::operator::{CatalogId, DeviceId};

use super::BlobError;

/// Transfers at once.
const ALL_MAX: usize = 256;

/// Of those, for one certificate or token.
const OF_ONE_MAX: u32 = 8;

/// Whose transfer it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StreamOwner {
    /// A device, by its certificate.
    Device(CatalogId, DeviceId),
    /// A person or program, by the name of its token.
    Token(CatalogId, String),
}

/// The transfers of this service.
#[derive(Clone, Default)]
pub struct Streams(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    all: usize,
    of: HashMap<StreamOwner, u32>,
}

impl Streams {
    /// A place for one more.
    ///
    /// # Errors
    /// `StreamsBusy`.
    pub fn place(&self, owner: StreamOwner) -> Result<Place, BlobError> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = open.of.get(&owner).copied().unwrap_or(0);
        if open.all >= ALL_MAX || of_one >= OF_ONE_MAX {
            return Err(BlobError::StreamsBusy);
        }
        open.all += 1;
        open.of.insert(owner.clone(), of_one + 1);
        Ok(Place { streams: self.clone(), owner })
    }
}

/// The right to one transfer, until it is dropped.
pub struct Place {
    streams: Streams,
    owner: StreamOwner,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(count) = open.of.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.of.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_busy_is_told_to_who_has_many_and_to_all_when_there_are_too_many() {
        let streams = Streams::default();
        let device = |n: u8| StreamOwner::Device(CatalogId([1; 32]), DeviceId([n; 32]));
        let busy =
            |outcome: Result<Place, BlobError>| matches!(outcome, Err(BlobError::StreamsBusy));
        let mut places: Vec<Place> =
            (0..OF_ONE_MAX).map(|_| streams.place(device(0)).unwrap()).collect();
        assert!(busy(streams.place(device(0))));
        places.pop();
        places.push(streams.place(device(0)).unwrap());
        for n in 1..ALL_MAX as u32 / OF_ONE_MAX {
            places.extend((0..OF_ONE_MAX).map(|_| streams.place(device(n as u8)).unwrap()));
        }
        assert!(busy(streams.place(device(200))));
        drop(places);
        assert!(streams.place(device(200)).is_ok());
        assert!(streams.0.lock().unwrap().of.is_empty(), "nothing is left of who has gone");
    }
}
