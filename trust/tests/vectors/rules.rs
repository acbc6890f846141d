//! One test for each numbered rule of `spec/rules.toml` that the source does not test itself; the
//! evidence is the vectors on disk.

use crate::judging;
use crate::vector::Vector;
use crate::world::{self, assignment_with, image, runtime};
use craton_trust::cbor::Reader;
use craton_trust::cose::Kind;
use craton_trust::error::Error::{self, *};
use craton_trust::id::TIME_MAX;
use craton_trust::lot::{self, Lot};
use craton_trust::set::{ImageSet, ImageSetBuilder, Purpose, check_abis};
use craton_trust::slots::Slots;
use craton_trust::soft::Soft;
use craton_trust::store::{
    CHAIN_MAX, KeptSection, Role, RoleKeysBuilder, Section, SectionBuilder, accept_chain,
};
use craton_trust::suit::{
    self, ABIS_MAX, Abi, Abis, Image, ImageType, MANIFEST_MAX, TEXT_MAX, Verity,
};
use craton_trust::{ClassId, ComponentId, Digest, SetId, Signed};

/// The verdict on one vector, `<object>/<way>`.
fn verdict(name: &str) -> Result<(), Error> {
    let (object, way) = name.split_once('/').expect("two folders");
    let (bytes, expect) = Vector::from_disk(object, way);
    judging::verdict(object, &bytes, &expect)
}

pub fn accepts(names: &[&str]) {
    names.iter().for_each(|name| assert_eq!(verdict(name), Ok(()), "{name}"));
}

pub fn refuses(object: &str, ways: &[(&str, Error)]) {
    for (way, error) in ways {
        assert_eq!(verdict(&format!("{object}/{way}")), Err(*error), "{object}/{way}");
    }
}

#[test]
fn cbor_4_refuses_a_text_that_could_drive_a_terminal() {
    let read = |text: &str| {
        let bytes = crate::value::Text(text.into()).encode();
        Reader::new(&bytes).expect("canonical").text(64).map(str::len)
    };
    for text in ["\u{1b}[2J", "\n", "\u{0}", "\u{7f}", "\u{9b}2J"] {
        assert_eq!(read(text), Err(FieldInvalid));
    }
    refuses("image-set", &[("name-with-escape", FieldInvalid)]);
    refuses("image-set", &[("name-turned-round", FieldInvalid), ("name-with-gap", FieldInvalid)]);
    for text in ["app\u{202e}gnp.exe", "\u{2066}x", "\u{200f}x", "pay\u{200b}pal", "\u{feff}x"] {
        assert_eq!(read(text), Err(FieldInvalid), "{text:?}");
    }
    for text in ["Grüße, 世界", "مرحبا", "שלום"] {
        assert_eq!(read(text), Ok(text.len()), "{text}");
    }
    refuses("image", &[("name-with-escape", ManifestTemplate)]);
}

#[test]
fn sig_1_refuses_what_was_signed_as_something_else() {
    for object in ["assignment", "capability", "checkpoint", "endorsement", "evidence", "image"] {
        refuses(object, &[("replayed", SignatureInvalid)]);
    }
    for object in ["trust-store", "lot"] {
        refuses(object, &[("replayed", SignatureInvalid)]);
    }
}

#[test]
fn sig_2_refuses_one_key_counted_twice() {
    refuses("trust-store", &[("signature-twice", SignerRepeated), ("key-twice", KeyRepeated)]);
    refuses("image", &[("signature-twice", SignerRepeated)]);
    refuses("image-set", &[("publisher-twice", SignerRepeated)]);
}

#[test]
fn sig_3_refuses_too_few_strangers_and_other_algorithms() {
    refuses(
        "trust-store",
        &[
            ("unsigned", SignerUnknown),
            ("signer-unknown", SignerUnknown),
            ("one-of-two", ThresholdNotMet),
            ("root-and-stranger", ThresholdNotMet),
            ("threshold-0", ThresholdImpossible),
            ("threshold-4-of-3", ThresholdImpossible),
            ("root-empty", RoleEmpty),
            ("signature-algorithm", AlgorithmMismatch),
            ("signature-short", CoseShape),
            ("key-other-algorithm", AlgorithmMismatch),
            ("key-off-curve", KeyInvalid),
        ],
    );
}

#[test]
fn store_1_refuses_a_successor_that_not_both_roots_signed_or_that_skips_a_version() {
    accepts(&["successor/good", "successor/good-new-root"]);
    refuses(
        "successor",
        &[
            ("old-root-missing", SignerUnknown),
            ("old-root-one-of-two", ThresholdNotMet),
            ("own-root-missing", SignerUnknown),
            ("own-root-one-of-two", ThresholdNotMet),
            ("version-skipped", SuccessorVersion),
            ("version-again", SuccessorVersion),
            ("version-largest", SuccessorVersion),
        ],
    );
}

#[test]
fn store_1_accepts_a_chain_of_64_and_refuses_65_as_chain_too_long() {
    let links: Vec<Vec<u8>> = (2..).take(CHAIN_MAX + 1).map(link).collect();
    let follow = |count: usize| {
        let chain = links[..count].iter().map(Vec::as_slice);
        let (soft, first) = (craton_trust::soft::Soft, world::kept(&world::owner()));
        let new = accept_chain(&soft, first.section(), world::genesis(), chain);
        new.map(|section| section.version)
    };
    assert_eq!(follow(0), Ok(1));
    assert_eq!(follow(CHAIN_MAX), Ok(65));
    assert_eq!(follow(CHAIN_MAX + 1), Err(ChainTooLong));
}

fn link(version: u64) -> Vec<u8> {
    let mut section = world::second();
    section.version = version;
    let bytes = world::encoded(&section);
    world::seal(craton_trust::cose::Kind::TrustStore, &bytes, &world::ROOTS[1..])
}

#[test]
fn store_1_refuses_a_chain_with_a_link_missing() {
    let (second, fourth) = (link(2), link(4));
    let chain = [&second[..], &fourth];
    let (soft, first) = (craton_trust::soft::Soft, world::kept(&world::owner()));
    let new = accept_chain(&soft, first.section(), world::genesis(), chain);
    assert_eq!(new, Err(SuccessorVersion));
}

#[test]
fn store_2_refuses_a_successor_of_another_genesis_or_kind() {
    refuses(
        "successor",
        &[
            ("other-genesis", SuccessorGenesis),
            ("first-again", SuccessorGenesis),
            ("genesis-missing", SuccessorVersion),
            ("other-kind", SectionKind),
        ],
    );
}

#[test]
fn store_3_refuses_a_production_root_that_becomes_a_development_one() {
    refuses("successor", &[("production-to-dev", SuccessorDev)]);
}

#[test]
fn store_4_refuses_a_successor_that_orphans_what_is_installed() {
    accepts(&["successor/good-keeps"]);
    let ways = ["orphans-by-publisher", "orphans-by-catalog", "orphans-by-ceiling"];
    refuses("successor", &ways.map(|way| (way, SuccessorOrphans)));
    let ways = ["orphans-an-image", "orphans-an-image-by-ceiling"];
    refuses("successor", &ways.map(|way| (way, SuccessorOrphans)));
    accepts(&["successor/good-platform"]);
    let ways = ["orphans-the-runtime", "orphans-the-runtime-by-ceiling"];
    refuses("successor", &ways.map(|way| (way, SuccessorOrphans)));
}

#[test]
fn store_4_refuses_a_production_root_over_a_running_development_set() {
    accepts(&["successor/good-dev-to-production"]);
    refuses("successor", &[("orphans-a-development-set", SuccessorOrphans)]);
}

#[test]
fn store_5_refuses_owner_objects_under_a_platform_section() {
    for object in ["assignment", "capability", "checkpoint", "image-set"] {
        refuses(object, &[("platform-section", SectionKind)]);
    }
    refuses("image-set", &[("platform-publisher", SignerUnknown)]);
    refuses("capability", &[("platform-publisher", SignerUnknown)]);
    refuses("image", &[("signed-by-platform", SignerUnknown)]);
}

#[test]
fn store_6_refuses_one_key_on_both_sides_of_an_approval() {
    let ways = ["publisher-is-catalog", "publisher-is-approver", "log-is-witness"];
    refuses("trust-store", &ways.map(|way| (way, KeyRepeated)));
}

#[test]
fn store_6_refuses_a_key_of_the_service_in_a_role_that_people_hold() {
    let ways = ["root-is-catalog", "root-is-online", "root-is-service", "root-is-log"];
    refuses("trust-store", &ways.map(|way| (way, KeyRepeated)));
    let ways = ["publisher-is-online", "publisher-is-service", "publisher-is-log"];
    refuses("trust-store", &ways.map(|way| (way, KeyRepeated)));
    let ways = ["approver-is-online", "approver-is-service", "approver-is-log"];
    refuses("trust-store", &ways.map(|way| (way, KeyRepeated)));
    let ways = ["catalog-is-approver", "online-is-witness"];
    refuses("trust-store", &ways.map(|way| (way, KeyRepeated)));
}

#[test]
fn store_7_refuses_what_no_device_can_do_as_ceiling_too_high_or_freshness_unbuilt() {
    let ways = [("ceiling-4096", CeilingTooHigh), ("freshness-challenge", FreshnessUnbuilt)];
    refuses("trust-store", &ways);
    let mut highest = world::owner();
    highest.ceiling = craton_trust::rollback::SECURITY_VERSION_MAX;
    assert_eq!(Section::parse(&world::encoded(&highest)).map(|s| s.ceiling), Ok(highest.ceiling));
}

#[test]
fn img_1_refuses_every_other_command_sequence_as_manifest_template() {
    accepts(&["image/good", "image/good-runtime"]);
    let ways = [
        "try-each",
        "uri-parameter",
        "directive-added",
        "directive-copy",
        "order-swapped",
        "conditions-swapped",
        "validation-empty",
        "condition-missing",
        "report-never",
        "component-twice",
        "install-added",
    ];
    refuses("image", &ways.map(|way| (way, ManifestTemplate)));
}

#[test]
fn img_2_refuses_a_manifest_that_is_not_the_one_signed() {
    refuses(
        "image",
        &[
            ("digest-of-another", ManifestDigest),
            ("flipped-bit", ManifestDigest),
            ("digest-algorithm", AlgorithmMismatch),
        ],
    );
}

#[test]
fn img_3_refuses_a_payload_of_another_digest_or_size() {
    refuses("package", &[("payload-flipped", PayloadMismatch)]);
    let image = image();
    assert_eq!(image.check_payload(&image.payload, image.payload_size), Ok(()));
    let longer = image.check_payload(&image.payload, image.payload_size + 1);
    assert_eq!(longer, Err(PayloadMismatch));
}

#[test]
fn img_4_refuses_an_image_for_another_class_as_class_mismatch() {
    refuses("image", &[("other-class", ClassMismatch)]);
}

#[test]
fn a_footer_that_lies_is_footer_invalid() {
    let ways = ["payload-larger", "payload-smaller", "sum-overflows", "both-largest"];
    refuses("footer", &ways.map(|way| (way, FooterInvalid)));
    refuses("package", &[("truncated", FooterInvalid), ("over-long", FooterInvalid)]);
}

#[test]
fn img_5_refuses_a_runtime_of_the_owner_and_an_application_of_the_platform() {
    let signed = |image: &craton_trust::suit::Image<'_>, seed: u8| {
        world::envelope_of(&world::written(|out| image.encode(out)), &[seed])
    };
    let by = |section: &SectionBuilder, envelope: &[u8]| {
        let section = world::kept(section);
        suit::verify_by(&craton_trust::soft::Soft, &section.section(), envelope).map(|_| ())
    };
    let (owner, platform) = (world::owner(), world::platform());
    let (publisher, platforms) = (world::PUBLISHER, world::PLATFORM_PUBLISHER);
    assert_eq!(by(&owner, &signed(&image(), publisher)), Ok(()));
    assert_eq!(by(&platform, &signed(&runtime(), platforms)), Ok(()));
    let image_type = craton_trust::suit::ImageType::RootOfTrust;
    let own = craton_trust::suit::Image { image_type, ..runtime() };
    assert_eq!(by(&platform, &signed(&own, platforms)), Ok(()));
    assert_eq!(by(&owner, &signed(&own, publisher)), Err(SectionKind));
    assert_eq!(by(&owner, &signed(&runtime(), publisher)), Err(SectionKind));
    assert_eq!(by(&platform, &signed(&image(), platforms)), Err(SectionKind));
    assert_eq!(by(&platform, &signed(&runtime(), publisher)), Err(SignerUnknown));
    let (mut low_owner, mut low_platform) = (owner, platform);
    (low_owner.ceiling, low_platform.ceiling) = (4, 4);
    assert_eq!(by(&low_owner, &signed(&image(), publisher)), Err(AboveCeiling));
    assert_eq!(by(&low_platform, &signed(&runtime(), platforms)), Err(AboveCeiling));
}

#[test]
fn set_1_refuses_a_set_with_one_of_two_approvals() {
    refuses(
        "image-set",
        &[
            ("catalog-missing", SignerUnknown),
            ("publisher-missing", SignerUnknown),
            ("publisher-twice", SignerRepeated),
            ("one-of-two", ThresholdNotMet),
        ],
    );
}

#[test]
fn set_2_refuses_components_out_of_order_or_twice() {
    refuses("image-set", &[("out-of-order", SetOrder), ("component-twice", SetOrder)]);
}

#[test]
fn set_3_refuses_an_image_that_the_set_does_not_name() {
    let ways = ["envelope-of-another", "version-lies", "payload-lies", "member-missing"];
    refuses("image-set", &ways.map(|way| (way, SetEnvelopeMismatch)));
}

#[test]
fn set_4_refuses_a_development_set_on_a_production_device() {
    accepts(&["image-set/good-development"]);
    refuses("image-set", &[("development-on-production", DevelopmentSet)]);
}

#[test]
fn set_5_refuses_a_set_with_a_member_for_another_class() {
    refuses("image-set", &[("other-class", ClassMismatch)]);
}

#[test]
fn a_set_whose_abis_nothing_provides_is_abi_unmet() {
    let (app, runtime) = (image(), runtime());
    assert_eq!(check_abis(&[app, runtime], &[]), Ok(()));
    assert_eq!(check_abis(&[app], &[Abi { id: 1, version: 2 }]), Ok(()));
    assert_eq!(check_abis(&[app], &[Abi { id: 1, version: 1 }]), Err(AbiUnmet));
    assert_eq!(check_abis(&[app], &[Abi { id: 2, version: 9 }]), Err(AbiUnmet));
}

#[test]
fn asg_1_refuses_an_assignment_for_another_device_epoch_catalog_or_request() {
    accepts(&["assignment/good", "assignment/good-offline", "assignment/good-rest"]);
    refuses(
        "assignment",
        &[
            ("other-catalog", OtherCatalog),
            ("other-device", OtherDevice),
            ("other-epoch", OtherEpoch),
            ("other-request", OtherRequest),
        ],
    );
}

#[test]
fn asg_2_refuses_a_time_without_a_certificate_or_for_an_offline_request() {
    let ways = [("time-alone", FieldInvalid), ("online-for-offline", OtherRequest)];
    refuses("assignment", &ways);
}

#[test]
fn asg_3_refuses_a_set_without_the_proof_that_it_is_logged() {
    refuses(
        "assignment",
        &[
            ("set-without-proof", FieldInvalid),
            ("set-not-logged", NotLogged),
            ("set-wrong-index", NotLogged),
            ("set-wrong-path", NotLogged),
            ("set-other-tree", NotLogged),
            ("checkpoint-shrunk", CheckpointShrank),
            ("checkpoint-unwitnessed", SignerUnknown),
            ("checkpoint-of-other", OtherCatalog),
        ],
    );
}

#[test]
fn asg_4_refuses_a_time_past_2199_and_a_wait_past_90_days() {
    let ways = ["time-beyond-2199", "time-beyond-9999", "wait-too-long"];
    refuses("assignment", &ways.map(|way| (way, FieldInvalid)));
    let longest = assignment_with(|a| a.next_check_in_s = 90 * 86_400);
    let payload = Signed::parse(&longest).expect("an object").unchecked_payload();
    assert!(craton_trust::assignment::Assignment::parse(payload).is_ok());
}

#[test]
fn cap_1_refuses_a_capability_with_one_of_two_approvals() {
    let ways = ["catalog-missing", "publisher-missing"];
    refuses("capability", &ways.map(|way| (way, SignerUnknown)));
}

#[test]
fn cap_2_refuses_a_capability_for_another_device_epoch_or_boot() {
    accepts(&["capability/good"]);
    refuses(
        "capability",
        &[
            ("other-catalog", OtherCatalog),
            ("other-device", OtherDevice),
            ("other-epoch", OtherEpoch),
            ("other-boot", ChallengeMismatch),
            ("permission-unknown", FieldInvalid),
        ],
    );
}

#[test]
fn end_1_takes_the_class_of_a_root_of_trust_from_the_manufacturer_alone() {
    accepts(&["endorsement/good"]);
    let ways = [("signer-unknown", SignerUnknown), ("class-unknown", FieldInvalid)];
    refuses("endorsement", &ways);
    refuses("endorsement", &[("owner-section", SectionKind)]);
}

#[test]
fn lot_1_a_lot_names_each_device_once_and_is_signed_as_a_whole() {
    accepts(&["lot/good"]);
    refuses("lot", &[("signer-unknown", SignerUnknown), ("owner-section", SectionKind)]);
    refuses("lot", &[("device-twice", LotOrder), ("out-of-order", LotOrder)]);
    refuses("lot", &[("row-taken-out", SignatureInvalid), ("row-put-in", SignatureInvalid)]);
    refuses("lot", &[("empty", FieldInvalid), ("too-many", FieldTooLong)]);
}

#[test]
fn lot_1_what_is_written_is_read_again_and_nothing_else_is_written() {
    let rows = world::lot_rows(3);
    let refs: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let bytes = world::written(|out| lot::encode(&Soft, &refs, out));
    let lot = Lot::parse(&Soft, &bytes).expect("it was written");
    assert_eq!(lot.rows(&Soft).map(|(_, row)| row.to_vec()).collect::<Vec<_>>(), rows);
    let mut room = vec![0; 1 << 17];
    let mut written = |rows: &[&[u8]]| lot::encode(&Soft, rows, &mut room).map(<[u8]>::len);
    assert_eq!(written(&[]), Err(FieldInvalid));
    assert_eq!(written(&[refs[1], refs[0]]), Err(LotOrder));
    assert_eq!(written(&[refs[1], refs[1]]), Err(LotOrder));
    assert_eq!(written(&[&[0x80]]), Err(FieldInvalid));
    assert_eq!(written(&vec![refs[0]; lot::DEVICES_MAX + 1]), Err(FieldTooLong));
    assert_eq!(lot::encode(&Soft, &refs, &mut [0; 64]), Err(BufferTooSmall));
}

#[test]
fn a_lot_with_all_its_devices_is_a_signed_object_like_any_other() {
    let rows = world::lot_rows(lot::DEVICES_MAX);
    let refs: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let lot = world::written(|out| lot::encode(&Soft, &refs, out));
    assert!(lot.len() <= craton_trust::signed::PAYLOAD_MAX, "{}", lot.len());
    let signed = world::seal(Kind::Lot, &lot, &[world::MANUFACTURER]);
    assert!(Signed::parse(&signed).is_ok());
}

#[test]
fn log_1_refuses_a_set_by_the_wrong_path_index_or_size() {
    let ways = ["wrong-path", "wrong-index", "wrong-size", "wrong-root", "wrong-leaf", "path-64"];
    refuses("inclusion", &ways.map(|way| (way, NotLogged)));
}

#[test]
fn log_2_refuses_a_checkpoint_that_shrank_or_that_no_witness_saw() {
    refuses(
        "checkpoint",
        &[
            ("shrunk", CheckpointShrank),
            ("witness-missing", SignerUnknown),
            ("one-witness-of-two", ThresholdNotMet),
        ],
    );
}

#[test]
fn log_3_refuses_two_checkpoints_of_a_forked_log() {
    refuses(
        "consistency",
        &[("forked", LogForked), ("forked-same-size", LogForked), ("shrunk", CheckpointShrank)],
    );
}

#[test]
fn dice_1_refuses_a_chain_that_the_identity_did_not_begin() {
    let ways = ["other-identity", "chain-reversed", "chain-short", "chain-beginning-missing"];
    refuses("evidence", &ways.map(|way| (way, SignatureInvalid)));
    refuses("evidence", &[("chain-foreign-layer", SignatureInvalid)]);
    refuses("dice-certificate", &[("other-issuer", SignatureInvalid)]);
}

#[test]
fn dice_2_refuses_a_certificate_that_names_others_as_chain_broken() {
    let ways = ["issuer-lies", "subject-lies", "usage-other"];
    refuses("dice-certificate", &ways.map(|way| (way, ChainBroken)));
}

#[test]
fn dice_3_refuses_a_closed_layer_on_an_opened_one() {
    accepts(&["evidence/good-debug"]);
    let ways = ["chain-through-debug", "mode-other"];
    refuses("evidence", &ways.map(|way| (way, ChainBroken)));
}

#[test]
fn ev_1_refuses_evidence_that_the_identity_signed_itself_or_that_names_another() {
    let ways = [("chain-empty", ChainBroken), ("other-device", IdentityMismatch)];
    refuses("evidence", &ways);
    refuses("evidence", &[("other-profile", ProfileUnknown), ("lifecycle-unknown", FieldInvalid)]);
}

#[test]
fn ev_2_refuses_another_nonce_purpose_or_audience() {
    refuses(
        "evidence",
        &[
            ("other-nonce", NonceMismatch),
            ("other-purpose", PurposeMismatch),
            ("other-audience", AudienceMismatch),
        ],
    );
}

#[test]
fn ev_3_refuses_a_component_measured_twice() {
    refuses("evidence", &[("measured-twice", MeasuredTwice), ("floor-twice", FieldInvalid)]);
}

#[test]
fn roll_1_refuses_an_image_below_the_floor_as_rolled_back() {
    refuses("image", &[("rolled-back", RolledBack)]);
}

#[test]
fn roll_2_refuses_an_image_above_the_ceiling() {
    refuses("image", &[("above-ceiling", AboveCeiling)]);
}

#[test]
fn roll_3_refuses_to_confirm_a_trial_that_never_started() {
    let armed = Slots::default().stage(SetId([1; 32])).and_then(|s| s.arm()).expect("armed");
    assert_eq!(armed.confirm(), Err(SlotState));
    assert!(armed.boot().0.confirm().is_ok());
}

#[test]
fn fail_1_refuses_a_record_with_a_place_for_contents() {
    accepts(&["failure/good", "failure/good-longest"]);
    let ways = [("memory-added", FieldInvalid), ("build-id-33", FieldTooLong)];
    refuses("failure", &ways);
}

#[test]
fn fail_2_a_record_keeps_its_number_so_that_a_gap_shows() {
    let bytes = world::failure();
    let failure = craton_trust::failure::Failure::parse(&bytes).expect("a record");
    assert_eq!((failure.number, failure.frames().len()), (8, 1));
    assert_eq!(failure.set, Digest([0x5e; 32]));
}

#[test]
fn a_set_read_in_place_has_the_members_it_was_made_of_each_time_they_are_asked_for() {
    let made = [world::member(&image()), world::member(&runtime())];
    let bytes = world::written(|out| world::set_of(Purpose::Production).encode(out));
    let set = ImageSet::parse(&bytes).expect("a good set");
    for _ in 0..2 {
        assert!(set.members().eq(made));
    }
    assert_eq!(set.members().nth(1).map(|member| member.transports().count()), Some(1));
    let again = ImageSetBuilder::try_from(&set).expect("it was read");
    assert_eq!(world::written(|out| again.encode(out)), bytes);
}

#[test]
fn a_section_read_in_place_has_the_keys_it_was_made_of_each_time_they_are_asked_for() {
    let mut made = world::owner();
    made.set_role(Role::Manufacturer, world::role(7, &[0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77]));
    made.set_role(Role::Approver, RoleKeysBuilder::new(0));
    let bytes = world::encoded(&made);
    let (section, kept) = (Section::parse(&bytes).expect("good"), world::kept(&made));
    for role in judging::ROLES {
        assert_eq!(section.role(role), made.role(role), "{role:?}");
        assert_eq!(kept.section().role(role), made.role(role), "{role:?}");
    }
    let root: Vec<_> = section.role(Role::Root).keys().collect();
    assert_eq!(root, world::ROOTS.map(world::public));
    assert!(section.role(Role::Root).contains(&world::public(world::ROOTS[2])));
    assert!(!section.role(Role::Root).contains(&world::public(world::PUBLISHER)));
    assert_eq!(world::encoded(&SectionBuilder::from(&section)), bytes);
    assert_eq!(KeptSection::parse(bytes).map(|kept| kept.section().version), Ok(1));
}

#[test]
fn an_excerpt_has_the_keys_of_its_roles_and_the_witnesses_with_the_log_and_no_others() {
    let made = world::owner();
    let kept = world::kept(&made);
    let mut room = [0u8; Section::excerpt_size(3)];
    let excerpt = kept.section().excerpt(&[Role::Log, Role::Root], &mut room).expect("room");
    assert_eq!((excerpt.kind, excerpt.ceiling), (made.kind, made.ceiling));
    for role in judging::ROLES {
        let has = matches!(role, Role::Root | Role::Log | Role::Witness);
        assert_eq!(excerpt.role(role) == made.role(role), has || made.role(role).is_empty());
        assert_eq!(excerpt.role(role).is_empty(), !has, "{role:?}");
    }
    let mut room = [0u8; Section::excerpt_size(0)];
    let none = kept.section().excerpt(&[Role::Root], &mut room);
    assert_eq!(none.err(), Some(BufferTooSmall));
}

/// What a chip keeps of its stack for writing a manifest again is enough for every manifest.
#[test]
fn img_1_a_manifest_with_every_text_and_list_full_is_believed() {
    let abis = Abis::new(&[Abi { id: u32::MAX, version: u32::MAX }; ABIS_MAX]).unwrap();
    let text = "n".repeat(TEXT_MAX);
    let image = Image {
        component: ComponentId([1; 16]),
        image_type: ImageType::Application,
        vendor: [2; 16],
        class: ClassId([3; 16]),
        sequence: u64::MAX,
        security_version: u64::MAX,
        name: &text,
        version: &text,
        payload: Digest([4; 32]),
        payload_size: u64::MAX,
        verity: Some(Verity { data_size: u64::MAX, root: Digest([5; 32]) }),
        provides: abis,
        depends: abis,
        sbom: Digest([6; 32]),
        support_until: TIME_MAX,
    };
    let mut room = [0; MANIFEST_MAX];
    let manifest = image.encode(&mut room).unwrap();
    assert_eq!(Image::parse(manifest), Ok(image));
}
