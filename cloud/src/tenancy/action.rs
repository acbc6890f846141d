//! What can be permitted, and the least role that may.

use craton_api::operator::Role;

/// Something that a caller may be permitted to do in a catalog.
pub trait Action: Clone + std::fmt::Debug + Send + Sync + 'static {
    /// The weakest role that may do it.
    const LEAST: Role;
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident from $role:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl Action for $name {
            const LEAST: Role = Role::$role;
        }
    )*};
}

actions! {
    /// Look at anything but tokens.
    ReadCatalog from Reader;
    /// Upload blobs, images, deltas, sets and symbols.
    Publish from Publisher;
    /// Make, change and remove products and device groups.
    ManageProducts from Contributor;
    /// Claim, move and retire devices; bring their capabilities.
    ManageDevices from Contributor;
    /// Bring an approval and ask for the catalog's countersignature.
    AdmitSets from Contributor;
    /// Start, pause, resume, advance and revert deployments.
    Deploy from Contributor;
    /// Make and take back tokens, and see which there are.
    ManageTokens from Owner;
    /// Bring successors of the trust store's sections.
    ManageTrustStore from Owner;
}
