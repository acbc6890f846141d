//! Why the command line refused, each with its number in `spec/errors.toml`.

use crate::believed::BelievedError;
use crate::lms::LmsError;
use crate::tpm_error::TpmError;
use std::io;
use std::path::PathBuf;

/// A refusal of the command line's own; the service's and the libraries' keep their numbers.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Neither HOME nor the XDG folders are known.
    #[error("E6101: there is no home folder. Set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME")]
    HomeMissing,
    /// Nobody logged in here.
    #[error("E6102: no service is known here. Run: craton login")]
    ProfileMissing,
    /// The profile does not read.
    #[error("E6103: {0} is damaged. Run: craton login")]
    ProfileDamaged(PathBuf),
    /// No catalog was chosen.
    #[error(
        "E6104: no catalog is chosen. Run: craton catalog use NAME, or make one: craton catalog \
         create NAME"
    )]
    CatalogUnchosen,
    /// A key file is absent.
    #[error(
        "E6105: there is no key {0}. It is made with the catalog; copy it from where that was \
         done, or name another with --key"
    )]
    SigningKeyMissing(PathBuf),
    /// A secret can be read by others.
    #[error("E6106: {0} can be read by others. Run: chmod 600 {0}")]
    SecretExposed(PathBuf),
    /// A key file does not read.
    #[error("E6107: {0} is no key file, or damaged. Restore it from its copy")]
    SigningKeyDamaged(PathBuf),
    /// A folder cannot be made.
    #[error("E6108: the folder {0} cannot be made ({1}). Check its parent")]
    FolderRefused(PathBuf, io::Error),
    /// A file cannot be written.
    #[error("E6109: {0} cannot be written ({1}). Check the folder, and that the disk has room")]
    FileNotWritten(PathBuf, io::Error),
    /// A file cannot be read.
    #[error("E6110: {0} cannot be read ({1}). Check its name and whether you may read it")]
    FileUnreadable(PathBuf, io::Error),
    /// What would be written is there already.
    #[error("E6111: {0} exists and is not overwritten. Name another path, or move it away")]
    FileExists(PathBuf),
    /// The passphrase does not open the key.
    #[error("E6112: the passphrase does not open {0}. Try again, or name the right key file")]
    PassphraseWrong(PathBuf),
    /// There is nobody to ask.
    #[error("E6113: a passphrase is needed and there is no terminal. Use --passphrase-file FILE")]
    PassphraseMissing,
    /// Typed twice, differently.
    #[error("E6114: the two passphrases differ. Start again")]
    PassphrasesDiffer,
    /// Too short to withstand a guesser.
    #[error("E6115: the passphrase has fewer than 8 characters. Take several words")]
    PassphraseShort,
    /// A key of LMS is refused.
    #[error(transparent)]
    Lms(#[from] LmsError),
    /// Neither a key nor a fingerprint.
    #[error(
        "E6120: {0} is neither a key (128 hexadecimal digits) nor a fingerprint (64). `craton up` \
         prints it where the service runs"
    )]
    ServiceKeyInvalid(String),
    /// Another key answers.
    #[error(
        "E6121: the service at {address} has the key {found}, not the one that was named. Check \
         address and fingerprint; do not go on with this service"
    )]
    FingerprintOther {
        /// Where.
        address: String,
        /// The fingerprint of what answered.
        found: String,
    },
    /// Nothing says where the service is.
    #[error(
        "E6122: no service runs with the data folder {0}. Start one: craton up; or name one: \
         craton login --service HOST:PORT --service-key FINGERPRINT --token-file FILE"
    )]
    ServiceNotFound(PathBuf),
    /// There is no token to log in with.
    #[error("E6123: no token was given. Use --token-file FILE, or - to type it")]
    TokenNotGiven,
    /// No thing of that name or beginning of an id.
    #[error("E6124: there is no {what} {name}. List what there is: craton {list}")]
    NameUnknown {
        /// The kind of thing.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// The verb that lists them.
        list: &'static str,
    },
    /// Several things fit.
    #[error("E6125: {name} means more than one {what}. Give more digits of the id")]
    NameAmbiguous {
        /// The kind of thing.
        what: &'static str,
        /// What was asked for.
        name: String,
    },
    /// The service's answer is something else.
    #[error("E6126: the answer to {0} is not what was asked for. Is the service of this version?")]
    AnswerUnexpected(String),
    /// The key file would take the public key's name.
    #[error("E6127: {0} is the name of a public key. Name the key file otherwise: NAME.key")]
    KeyNamePublic(PathBuf),
    /// A production root without its recovery copies.
    #[error(
        "E6130: a production root has three keys: name two places that you keep apart with \
         --recovery-key PATH --recovery-key PATH; for one machine only: --dev"
    )]
    RecoveryKeysMissing,
    /// A production catalog without an independent approver.
    #[error(
        "E6131: a production catalog needs an approver: --approver-key PATH makes a key for a \
         second person, --approver PUBLIC-KEY takes one that he made"
    )]
    ApproverMissing,
    /// The approver would be the publisher.
    #[error("E6132: the approver's key is another of this catalog. Take one of a second person")]
    ApproverNotIndependent,
    /// A key that approves nothing here.
    #[error(
        "E6135: the key {0} is no approver's of this catalog. Name the second person's with --key"
    )]
    ApproverUnknown(PathBuf),
    /// What a service shows is not believed.
    #[error(transparent)]
    Believed(#[from] BelievedError),
    /// The section would stay as it is.
    #[error("E6160: nothing was changed. Name what: --add, --remove, --threshold or --ceiling")]
    ProposalEmpty,
    /// The role has no such key.
    #[error("E6161: {0} is no key of that role. See which are: craton trust-store show")]
    KeyNotInRole(String),
    /// The file is no section, or nobody signed it yet.
    #[error(
        "E6162: {0} is no successor of a trust store, or not signed yet. Make one: craton \
         trust-store propose; then: craton trust-store sign"
    )]
    SuccessorUnreadable(PathBuf),
    /// The file is no challenge.
    #[error(
        "E6163: {0} is no challenge. Open one where the device is: craton device capability \
         challenge"
    )]
    ChallengeUnreadable(PathBuf),
    /// The file is no list of registers, or has too few.
    #[error(
        "E6170: {0} does not have the registers that were chosen. Print them where the TPM is: \
         craton boot-approval registers --json --registers LIST"
    )]
    RegistersUnreadable(PathBuf),
    /// What is in a TPM, or measured into it.
    #[error(transparent)]
    Tpm(#[from] TpmError),
    /// None of the named makers stands for the TPM.
    #[error(
        "E6172: the TPM's certificate does not lead to a maker that was named ({0}). Do not \
         endorse it; if the maker is right, name what is between by --tpm-issuer"
    )]
    TpmMakerUnknown(String),
    /// A certificate of another TPM.
    #[error(
        "E6173: the certificate in the TPM is for another endorsement key than the TPM has. Do \
         not endorse it"
    )]
    TpmCertificateOther,
    /// No certificate in a file that should have some.
    #[error("E6174: {0} holds no X.509 certificate. Name a PEM or DER file")]
    CertificateUnreadable(PathBuf),
    /// The challenge is of a device of another catalog.
    #[error(
        "E6164: the challenge is of a device of the catalog {0}. Choose that one: craton catalog \
         use"
    )]
    ChallengeOfOther(craton_api::operator::CatalogId),
    /// Nobody signed the file yet.
    #[error("E6140: {0} is not signed yet. Run: craton image sign {0}")]
    PackageUnsigned(PathBuf),
    /// There is no earlier package of the component among those given.
    #[error("E6141: --before {0} is a package of no component in this set. Leave it out")]
    BeforeUnrelated(PathBuf),
    /// Two packages of one component.
    #[error("E6142: two packages are of the component {0}. A set runs one of each: leave one out")]
    ComponentTwice(String),
    /// Another bill of materials.
    #[error("E6143: the package names another SBOM than {0}. Take the one written beside it")]
    SbomOther(PathBuf),
    /// No build id.
    #[error(
        "E6144: {0} is no ELF file with a build id. Link it with -Wl,--build-id=sha1, and do not \
         strip it"
    )]
    BuildIdMissing(PathBuf),
    /// The log does not prove what it should.
    #[error("E6150: the log does not hold together: {0}. Keep the service's data for an inquiry")]
    LogNotProven(String),
    /// The device never ran.
    #[error(
        "E6201: the device {name} never ran. Start it: craton device run --folder {folder} \
         --service HOST:PORT"
    )]
    DeviceNeverRan {
        /// Its name.
        name: String,
        /// Its folder.
        folder: PathBuf,
    },
    /// There is a device in the folder.
    #[error("E6202: there is a device in {0} already. Give the new one another name")]
    DeviceExists(PathBuf),
    /// There is none in the folder.
    #[error("E6203: there is no device in {0}. Make one: craton device manufacture NAME")]
    DeviceNotMade(PathBuf),
    /// The service refused some devices of a lot.
    #[error(
        "E6204: {refused} of {of} devices of the lot were refused, the others are listed. Each \
         says why; the same lot may be claimed again"
    )]
    LotRowsRefused {
        /// How many.
        refused: usize,
        /// Of how many.
        of: usize,
    },
    /// The board was finished before.
    #[error(
        "E6401: the board is device {device}, number {number} of this lot, and finished. Take it \
         out, and put the next one in"
    )]
    BoardFinished {
        /// The device.
        device: String,
        /// Its number.
        number: u32,
    },
    /// Another station made it.
    #[error(
        "E6402: the board is device {0} already, and was not made in this folder. Finish it where \
         it was begun: its claim code is there"
    )]
    BoardForeign(String),
    /// It was made for somebody else.
    #[error(
        "E6403: the board is device {device} already, of another {what} than this station's. Put \
         it aside"
    )]
    BoardOther {
        /// The device.
        device: String,
        /// Of which it is another.
        what: &'static str,
    },
    /// It does not do what it should.
    #[error(
        "E6404: the board, device {device}, is not what was written into it: {what}. Try it once \
         more; if it stays, put it aside: it is in no list"
    )]
    SelfTestFailed {
        /// The device.
        device: String,
        /// What differs.
        what: &'static str,
    },
    /// There are as many devices in the folder as a lot may have.
    #[error("E6405: {folder} has {of} devices, as many as a lot may have. Begin another folder")]
    LotFull {
        /// The folder.
        folder: PathBuf,
        /// How many.
        of: usize,
    },
    /// The folder makes another class of devices.
    #[error("E6406: the station in {0} makes another class of devices. Begin another folder")]
    StationOther(PathBuf),
    /// Another process has it.
    #[error("E6407: another station works in {0}. Give each its own folder")]
    StationRuns(PathBuf),
    /// A file of it does not read.
    #[error("E6408: {0} is no station's, or damaged. Restore the folder from its copy")]
    StationDamaged(PathBuf),
    /// Not all boards of a line became devices.
    #[error("E6409: {refused} of {of} boards were refused. Each said why")]
    BoardsRefused {
        /// How many.
        refused: u32,
        /// Of how many.
        of: u32,
    },
    /// A tool is missing.
    #[error("E6301: {tool} could not be started ({source}). {mend}")]
    ToolMissing {
        /// Its name.
        tool: &'static str,
        /// How to get it.
        mend: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A tool failed.
    #[error("E6302: {tool} failed. Check that the disk has room. {mend}\n{said}")]
    ToolFailed {
        /// Its name.
        tool: &'static str,
        /// What may help.
        mend: &'static str,
        /// What it said.
        said: String,
    },
    /// The folder of quickstart cannot be cleared.
    #[error(
        "E6303: {0} cannot be removed ({1}). Remove it by hand, or choose another place by \
         XDG_DATA_HOME"
    )]
    QuickstartBusy(PathBuf, io::Error),
    /// A quickstart holds its folder.
    #[error("E6305: another quickstart runs in {0}. Stop it first: Ctrl-C in its terminal")]
    QuickstartRuns(PathBuf),
    /// A board's socket has too long a path.
    #[error("E6306: {0} is too long a path for a socket. Choose a folder nearer to the root")]
    BoardPath(PathBuf),
    /// A board has power already.
    #[error("E6308: the board of {0} runs already. Stop it first: Ctrl-C in its terminal")]
    BoardRuns(PathBuf),
    /// Nobody built the firmware.
    #[error("E6307: there is no firmware in {0}. Build it: cargo xtask firmware")]
    FirmwareMissing(PathBuf),
    /// A step took too long.
    #[error("E6304: {what} did not happen in {seconds} s. The device's log says why")]
    StepLate {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
}

impl CliError {
    /// The number in `spec/errors.toml`.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::HomeMissing => 6101,
            Self::ProfileMissing => 6102,
            Self::ProfileDamaged(_) => 6103,
            Self::CatalogUnchosen => 6104,
            Self::SigningKeyMissing(_) => 6105,
            Self::SecretExposed(_) => 6106,
            Self::SigningKeyDamaged(_) => 6107,
            Self::FolderRefused(..) => 6108,
            Self::FileNotWritten(..) => 6109,
            Self::FileUnreadable(..) => 6110,
            Self::FileExists(_) => 6111,
            Self::PassphraseWrong(_) => 6112,
            Self::PassphraseMissing => 6113,
            Self::PassphrasesDiffer => 6114,
            Self::PassphraseShort => 6115,
            Self::Lms(error) => error.code(),
            Self::ServiceKeyInvalid(_) => 6120,
            Self::FingerprintOther { .. } => 6121,
            Self::ServiceNotFound(_) => 6122,
            Self::TokenNotGiven => 6123,
            Self::NameUnknown { .. } => 6124,
            Self::NameAmbiguous { .. } => 6125,
            Self::AnswerUnexpected(_) => 6126,
            Self::KeyNamePublic(_) => 6127,
            Self::RecoveryKeysMissing => 6130,
            Self::ApproverMissing => 6131,
            Self::ApproverNotIndependent => 6132,
            Self::Believed(error) => error.code(),
            Self::ApproverUnknown(_) => 6135,
            Self::ProposalEmpty => 6160,
            Self::KeyNotInRole(_) => 6161,
            Self::SuccessorUnreadable(_) => 6162,
            Self::ChallengeUnreadable(_) => 6163,
            Self::ChallengeOfOther(_) => 6164,
            Self::RegistersUnreadable(_) => 6170,
            Self::Tpm(error) => error.code(),
            Self::TpmMakerUnknown(_) => 6172,
            Self::TpmCertificateOther => 6173,
            Self::CertificateUnreadable(_) => 6174,
            Self::PackageUnsigned(_) => 6140,
            Self::BeforeUnrelated(_) => 6141,
            Self::ComponentTwice(_) => 6142,
            Self::SbomOther(_) => 6143,
            Self::BuildIdMissing(_) => 6144,
            Self::LogNotProven(_) => 6150,
            Self::DeviceNeverRan { .. } => 6201,
            Self::DeviceExists(_) => 6202,
            Self::DeviceNotMade(_) => 6203,
            Self::LotRowsRefused { .. } => 6204,
            Self::BoardFinished { .. } => 6401,
            Self::BoardForeign(_) => 6402,
            Self::BoardOther { .. } => 6403,
            Self::SelfTestFailed { .. } => 6404,
            Self::LotFull { .. } => 6405,
            Self::StationOther(_) => 6406,
            Self::StationRuns(_) => 6407,
            Self::StationDamaged(_) => 6408,
            Self::BoardsRefused { .. } => 6409,
            Self::ToolMissing { .. } => 6301,
            Self::ToolFailed { .. } => 6302,
            Self::QuickstartBusy(..) => 6303,
            Self::QuickstartRuns(_) => 6305,
            Self::StepLate { .. } => 6304,
            Self::BoardPath(_) => 6306,
            Self::FirmwareMissing(_) => 6307,
            Self::BoardRuns(_) => 6308,
        }
    }

    /// Whether the words of the command line were wrong, rather than something that they met.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        let usage = [6120, 6123, 6127, 6130, 6131, 6132, 6141, 6142];
        usage.contains(&self.code())
    }
}

/// What an error says, and what to do where its own words are only a name: the libraries that run
/// on a chip have no room for sentences.
#[must_use]
pub fn told(error: &anyhow::Error) -> String {
    let said = format!("{error:#}");
    let named = error.chain().filter_map(|cause| cause.to_string().get(1..5)?.parse::<u16>().ok());
    let advice = named.filter(|code| (1000..2000).contains(code)).find_map(advice);
    match advice {
        Some((says, action)) => format!("{said}: {says}. To mend it: {action}"),
        None => said,
    }
}

/// What the registry says of a number, and what to do.
fn advice(code: u16) -> Option<(&'static str, &'static str)> {
    let registry = include_str!("../../spec/errors.toml");
    let entry = registry.split("[[error]]").find(|entry| {
        let number = entry.lines().find_map(|line| line.strip_prefix("code = "));
        number == Some(&code.to_string())
    })?;
    let field = |name: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_prefix("= \"")?.strip_suffix('"')
    };
    Some((field("says")?, field("do")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_told_with_what_to_do() {
        let error = anyhow::Error::from(craton_trust::Error::SignerUnknown);
        let said = told(&error);
        assert!(said.starts_with(&format!("E{}: ", craton_trust::Error::SignerUnknown.code())));
        assert!(said.contains("To mend it: "), "{said}");
        let own = anyhow::Error::from(CliError::ProfileMissing);
        assert_eq!(told(&own), "E6102: no service is known here. Run: craton login");
    }
}
