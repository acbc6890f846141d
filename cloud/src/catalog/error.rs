//! Why a catalog does not take something.

use craton_api::operator::Digest;

/// A refusal of the catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// Not a name.
    #[error("E4151: a name has 1 to 50 of A-Z, a-z, 0-9, _ and -. Choose another name.")]
    NameInvalid,
    /// Something of this kind has this name already.
    #[error("E4152: the name is taken. Choose another name, or use the one there is.")]
    NameTaken,
    /// No product of that name.
    #[error("E4153: there is no such product. GET …/products lists them.")]
    ProductUnknown,
    /// No device group of that name.
    #[error("E4154: there is no such device group. GET …/device-groups lists them.")]
    GroupUnknown,
    /// Not `product/group`.
    #[error("E4155: a device group is written `product/group`. Correct its spelling.")]
    GroupPathInvalid,
    /// A product that has groups cannot go.
    #[error("E4156: the product still has device groups. Remove those first.")]
    ProductInUse,
    /// A group that has devices or a deployment cannot go.
    #[error(
        "E4157: the device group still has devices or a deployment. Move or retire them first."
    )]
    GroupInUse,
    /// Too much text.
    #[error("E4158: a description has at most 500 bytes. Say it shorter.")]
    DescriptionTooLong,
    /// The catalog does not hold this blob.
    #[error("E4159: the catalog does not hold the blob {0}. Upload it first.")]
    BlobUnknown(Digest),
    /// The blob has another length than the signed object says.
    #[error(
        "E4160: the blob {0} has another length than the signed object says. Upload the one that \
         was signed."
    )]
    BlobSizeMismatch(Digest),
    /// No image of that id.
    #[error("E4161: there is no such image. GET …/images lists them.")]
    ImageUnknown,
    /// The set names an image that was not registered.
    #[error(
        "E4162: the set names the image {0}, which is not registered. Upload that image first."
    )]
    MemberUnknown(craton_api::operator::ImageId),
    /// The set and the registered image disagree.
    #[error(
        "E4163: the set describes the image {0} otherwise than its envelope does. Make the set \
         anew from the packages."
    )]
    MemberMismatch(craton_api::operator::ImageId),
    /// No set of that id.
    #[error("E4164: there is no such image set. GET …/image-sets lists them.")]
    SetUnknown,
    /// A production set without approval.
    #[error(
        "E4165: the set has no approval yet. Have an approver sign it on a machine that does not \
         publish, then ask again."
    )]
    SetNotApproved,
    /// The approval is for other bytes.
    #[error("E4166: the approval is for another object. Approve the signed bytes of this one.")]
    ApprovalMismatch,
    /// No device of that id.
    #[error("E4168: there is no such device here. GET …/devices lists them.")]
    DeviceUnknown,
    /// The device is claimed with another endorsement.
    #[error(
        "E4169: the device is claimed already, with another endorsement. Retire it first if it was \
         made anew."
    )]
    ClaimConflict,
    /// The endorsement is for another device.
    #[error("E4170: the endorsement is for another device. Bring the one that came with it.")]
    EndorsementMismatch,
    /// No capability of that id for the device.
    #[error("E4171: there is no such capability. List the device's capabilities for their ids.")]
    CapabilityUnknown,
    /// No section of that version.
    #[error("E4172: the trust store has no such section version. List it for what there is.")]
    SectionUnknown,
    /// Both sections must have the kind they are given as.
    #[error(
        "E4173: a catalog begins with one `owner` and one `platform` section. Check their order."
    )]
    SectionMixed,
    /// A production section beside a development one.
    #[error("E4174: both sections are for development or neither is. Make them with one command.")]
    DevMixed,
    /// The file is not an ELF file with a build id.
    #[error(
        "E4175: the file is not an ELF file with a build id. Link with `--build-id` and bring the \
         file that has the debug information."
    )]
    SymbolsFileUnreadable,
    /// The file has another build id.
    #[error("E4176: the file has another build id than the address says. Bring the matching file.")]
    SymbolsMismatch,
    /// A class weaker than the product accepts.
    #[error(
        "E4177: the device's root of trust is weaker than the product accepts. Choose another \
         product, or lower its least class."
    )]
    ClassTooWeak,
    /// No failure group of that fingerprint.
    #[error("E4178: there is no such failure group. List the groups for their fingerprints.")]
    FailureGroupUnknown,
    /// A device could not boot this set under the successor.
    #[error(
        "E4182: a device runs or is assigned the image set {0}, which it could not boot under this \
         successor. Keep its signers and ceiling until every device runs a set by the new keys, or \
         retire the devices that never will."
    )]
    SetOrphaned(craton_api::operator::ImageSetId),
    /// No program of a component would have the successor's publisher.
    #[error(
        "E4183: no program of the component {0} is signed as this successor demands, and every \
         device that runs one would be refused. Have what devices run signed by the new keys, too \
         (craton image upload --runtime; craton image sign), upload it, and submit again; or \
         retire the devices that run one."
    )]
    ProgramOrphaned(craton_api::operator::ComponentId),
    /// What is kept of the image changed since it was read.
    #[error(
        "E4184: the image {0}, or the trust store, was changed by somebody else at the same time. \
         Upload the image again."
    )]
    ImageOvertaken(craton_api::operator::ImageId),
    /// The device has no TPM, or did not check in with it yet.
    #[error("E4190: the device has shown no registers of a TPM. Look again after its check-in.")]
    BootUnknown,
    /// The device booted something else since the operator looked.
    #[error("E4191: the device shows another boot than the one that was named. Look at it again.")]
    BootMovedOn,
    /// No event log leads to what the device shows.
    #[error(
        "E4192: no event log of the device leads to what it shows. Give its account the log that \
         the kernel has, as the file boot-log in its folder, and look again after its next start."
    )]
    BootLogMissing,
    /// A signed object is not believed; the number is the one of the reason.
    #[error(
        "E{}: the {what} is not believed: {}. Look the number up in the list of errors and sign \
         it anew.", .why.code(), .why.name()
    )]
    ObjectRefused {
        /// What it should have been.
        what: &'static str,
        /// Why it is not.
        why: craton_trust::Error,
    },
    /// A device reports without end.
    #[error(
        "E4179: a device may report {most} failures a day. Keep the records and send them \
         tomorrow; look at what fails on the device."
    )]
    FailuresTooMany {
        /// The bound.
        most: u64,
    },
    /// The catalog was made with another platform section.
    #[error(
        "E4180: the catalog of this owner section was made with another platform section. Bring \
         that one; a changed platform is a successor of it."
    )]
    PlatformOther,
    /// The catalog holds as many bytes as it may.
    #[error(
        "E4181: a catalog may hold {most} bytes of blobs here. Have the service's owner raise \
         `--catalog-bytes`, or wait a day: what nothing names is removed."
    )]
    QuotaReached {
        /// The bound.
        most: u64,
    },
}

impl CatalogError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::NameInvalid => 4151,
            Self::NameTaken => 4152,
            Self::ProductUnknown => 4153,
            Self::GroupUnknown => 4154,
            Self::GroupPathInvalid => 4155,
            Self::ProductInUse => 4156,
            Self::GroupInUse => 4157,
            Self::DescriptionTooLong => 4158,
            Self::BlobUnknown(_) => 4159,
            Self::BlobSizeMismatch(_) => 4160,
            Self::ImageUnknown => 4161,
            Self::MemberUnknown(_) => 4162,
            Self::MemberMismatch(_) => 4163,
            Self::SetUnknown => 4164,
            Self::SetNotApproved => 4165,
            Self::ApprovalMismatch => 4166,
            Self::DeviceUnknown => 4168,
            Self::ClaimConflict => 4169,
            Self::EndorsementMismatch => 4170,
            Self::CapabilityUnknown => 4171,
            Self::SectionUnknown => 4172,
            Self::SectionMixed => 4173,
            Self::DevMixed => 4174,
            Self::SymbolsFileUnreadable => 4175,
            Self::SymbolsMismatch => 4176,
            Self::ClassTooWeak => 4177,
            Self::FailureGroupUnknown => 4178,
            Self::FailuresTooMany { .. } => 4179,
            Self::PlatformOther => 4180,
            Self::QuotaReached { .. } => 4181,
            Self::SetOrphaned(_) => 4182,
            Self::ProgramOrphaned(_) => 4183,
            Self::ImageOvertaken(_) => 4184,
            Self::BootUnknown => 4190,
            Self::BootMovedOn => 4191,
            Self::BootLogMissing => 4192,
            Self::ObjectRefused { why, .. } => why.code(),
        }
    }
}
