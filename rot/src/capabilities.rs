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
}

impl Limit {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::SecretReadableByHost => "the host can read the device secret",
            Self::StorageCanBeRolledBack => "an old copy of its storage can be put back",
            Self::ProgramNotMeasured => "nothing measures the program of the root of trust",
            Self::NextLayerMeasuresItself => "the runtime measures itself",
            Self::FusesAreErasable => "its fuses can be set back by the host",
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
    ],
};
