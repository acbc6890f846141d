//! What a back-end is, and what it cannot do: said, not hidden.

pub use craton_trust::endorsement::RotClass;

/// Something that a root of trust in silicon keeps and this one does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Whoever has the account of the process, or root, reads the device secret.
    SecretReadableByHost,
    /// An old copy of the storage put back takes counters and floors back with it.
    StorageCanBeRolledBack,
    /// The program of the root of trust is changed by whoever changes the host's files.
    ProgramNotMeasured,
    /// The next layer measures itself: nothing below stops it from lying.
    NextLayerMeasuresItself,
    /// Fuses are bits of a file: they can be set back.
    FusesAreErasable,
    /// What one command brings must fit one message of a mailbox.
    MessagesAreBounded,
    /// Whoever has the account of the process has evidence made, and signs with the device-auth
    /// key; he does not read it.
    HostUsesKeys,
    /// A virtual TPM that is put back to a snapshot takes counters and floors back with it.
    SnapshotRollsBack,
    /// Secrets and the counter's value pass between processor and TPM in plain.
    BusIsReadable,
    /// Evidence is a quote: no chain of certificates leads from the identity to a layer.
    NoLayerCertificate,
    /// It has no slots for a program of its own: it is updated with its host.
    NoSlots,
}

/// How many limits there are.
const LIMITS: usize = 11;

/// Every limit, in the order of its bit.
const ALL: [Limit; LIMITS] = [
    Limit::SecretReadableByHost,
    Limit::StorageCanBeRolledBack,
    Limit::ProgramNotMeasured,
    Limit::NextLayerMeasuresItself,
    Limit::FusesAreErasable,
    Limit::MessagesAreBounded,
    Limit::HostUsesKeys,
    Limit::SnapshotRollsBack,
    Limit::BusIsReadable,
    Limit::NoLayerCertificate,
    Limit::NoSlots,
];

/// Every subset, at the place of its bits: limits come over a mailbox as a number, and are a
/// `&'static` list on both of its sides.
static SUBSETS: [[Limit; LIMITS]; 1 << LIMITS] = subsets();

const fn subsets() -> [[Limit; LIMITS]; 1 << LIMITS] {
    let mut subsets = [[Limit::SecretReadableByHost; LIMITS]; 1 << LIMITS];
    let mut bits = 0;
    while bits < subsets.len() {
        let (mut limit, mut place) = (0, 0);
        while limit < LIMITS {
            if bits & (1 << limit) != 0 {
                subsets[bits][place] = ALL[limit];
                place += 1;
            }
            limit += 1;
        }
        bits += 1;
    }
    subsets
}

impl Limit {
    /// Limits as bits, which [`Limit::of_bits`] reads.
    #[must_use]
    pub fn bits(limits: &[Self]) -> u64 {
        let bit = |all: &Self| u64::from(limits.contains(all));
        ALL.iter().enumerate().fold(0, |bits, (place, limit)| bits | (bit(limit) << place))
    }

    /// The limits of these bits; `None` if a bit is nobody's.
    #[must_use]
    pub fn of_bits(bits: u64) -> Option<&'static [Self]> {
        let subset = SUBSETS.get(usize::try_from(bits).ok()?)?;
        subset.get(..bits.count_ones() as usize)
    }

    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::SecretReadableByHost => "the host can read the device secret",
            Self::StorageCanBeRolledBack => "an old copy of its storage can be put back",
            Self::ProgramNotMeasured => "nothing measures the program of the root of trust",
            Self::NextLayerMeasuresItself => "the runtime measures itself",
            Self::FusesAreErasable => "its fuses can be set back by the host",
            Self::MessagesAreBounded => "a command must fit one message of its mailbox",
            Self::HostUsesKeys => "the host can have evidence made and sign with the auth key",
            Self::SnapshotRollsBack => "a virtual TPM can be put back to a snapshot",
            Self::BusIsReadable => "what passes between processor and TPM can be read and changed",
            Self::NoSlots => "its own program is updated with its host",
            Self::NoLayerCertificate => "no certificate of its layer: evidence is a quote",
        }
    }
}

/// What a back-end is, and what it cannot do. It promises nothing to a verifier: the class that
/// counts is the one of the endorsement (END-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// How the root of trust is kept.
    pub class: RotClass,
    /// What it cannot do.
    pub limits: &'static [Limit],
}

/// Everything that a process of the host cannot do.
pub const SOFTWARE: Capabilities = Capabilities {
    class: RotClass::Software,
    limits: &[
        Limit::SecretReadableByHost,
        Limit::StorageCanBeRolledBack,
        Limit::ProgramNotMeasured,
        Limit::NextLayerMeasuresItself,
        Limit::FusesAreErasable,
        Limit::NoSlots,
    ],
};

/// The same of a chip that starts its program from slots.
#[cfg(feature = "std")]
pub(crate) const SOFTWARE_WITH_SLOTS: Capabilities = Capabilities {
    class: RotClass::Software,
    limits: &[
        Limit::SecretReadableByHost,
        Limit::StorageCanBeRolledBack,
        Limit::NextLayerMeasuresItself,
        Limit::FusesAreErasable,
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_limits_comes_back_from_its_bits() {
        for bits in 0..1 << LIMITS {
            let limits = Limit::of_bits(bits).unwrap();
            assert_eq!((Limit::bits(limits), limits.len()), (bits, bits.count_ones() as usize));
        }
        assert_eq!(Limit::of_bits(1 << LIMITS), None);
        assert_eq!(Limit::of_bits(Limit::bits(SOFTWARE.limits)), Some(SOFTWARE.limits));
    }
}
