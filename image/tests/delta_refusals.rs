//! A delta is never believed: one hostile delta for each reason of refusal, and none that panics
//! or yields other bytes than the signed ones.

use craton_image::delta::{
    Applier, Base, DeltaError, Header, PAYLOAD_BYTES_MAX, Payload, WINDOW_BYTES, apply,
    apply_verified, make,
};
use std::io;

fn old() -> Vec<u8> {
    (0..5000_u32).flat_map(|word| (word * word).to_le_bytes()).collect()
}

fn new() -> Vec<u8> {
    let mut new = old();
    new.iter_mut().step_by(1000).for_each(|byte| *byte ^= 0x40);
    new.splice(7000..7000, *b"what was not there before");
    new
}

fn verified(delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
    let signed = Payload::of(&new());
    apply_verified(&old(), delta, &signed.digest, signed.size)
}

fn refusal(delta: &[u8]) -> DeltaError {
    verified(delta).expect_err("must be refused")
}

/// A delta for the pair above with its only window replaced.
fn forged(control: &[u8], diff: &[u8], extra: &[u8]) -> Vec<u8> {
    let frame = zstd::bulk::compress(&[control, diff, extra].concat(), 3).unwrap();
    window(&frame, control.len(), diff.len())
}

fn window(frame: &[u8], control: usize, copied: usize) -> Vec<u8> {
    let mut delta = mapped(&[0, 0]);
    for field in [frame.len(), control, copied] {
        delta.extend((field as u32).to_le_bytes());
    }
    delta.extend(frame);
    delta
}

/// Header and address map of a delta for the pair above; windows follow.
fn mapped(map: &[u8]) -> Vec<u8> {
    let frame = zstd::bulk::compress(map, 3).unwrap();
    let mut delta = make(&old(), &new()).unwrap()[..Header::BYTES].to_vec();
    for field in [frame.len(), map.len()] {
        delta.extend((field as u32).to_le_bytes());
    }
    delta.extend(frame);
    delta
}

/// A control stream of (copy, extra, step); all values in two bytes, as varints may be.
fn control(operations: &[(usize, usize, i64)]) -> Vec<u8> {
    let wide =
        |value: u64| [value as u8 | 0x80, (value >> 7) as u8 | 0x80, (value >> 14) as u8 & 0x7f];
    let zigzag = |step: i64| ((step << 1) ^ (step >> 63)) as u64;
    let fields = |(copy, extra, step): &(usize, usize, i64)| {
        [wide(*copy as u64), wide(*extra as u64), wide(zigzag(*step))].concat()
    };
    operations.iter().flat_map(fields).collect()
}

#[test]
fn the_forged_window_is_accepted_when_it_is_right() {
    let size = new().len();
    assert!(verified(&forged(&control(&[(0, size, 0)]), &[], &new())).unwrap() == new());
    let inserted = &new()[7000..7025];
    let diff: Vec<u8> = (0..20_000).map(|at| old()[at]).collect();
    let new_copied = [&new()[..7000], &new()[7025..]].concat();
    let diff: Vec<u8> =
        new_copied.iter().zip(&diff).map(|(new, old)| new.wrapping_sub(*old)).collect();
    let operations = [(5000, 0, 0), (2000, 25, 0), (13_000, 0, 0)];
    assert!(verified(&forged(&control(&operations), &diff, inserted)).unwrap() == new());
}

#[test]
fn a_truncated_delta_is_refused_at_every_length() {
    let delta = make(&old(), &new()).unwrap();
    for length in 0..delta.len() {
        assert_eq!(refusal(&delta[..length]), DeltaError::DeltaTruncated, "{length}");
    }
}

#[test]
fn no_flipped_bit_yields_other_bytes() {
    let delta = make(&old(), &new()).unwrap();
    for at in 0..delta.len() {
        for bit in 0..8 {
            let mut spoilt = delta.clone();
            spoilt[at] ^= 1 << bit;
            match verified(&spoilt) {
                // Some bits of a zstd frame say nothing about its contents.
                Ok(payload) => assert!(payload == new(), "byte {at} bit {bit}"),
                Err(refusal) => assert!((2300..2400).contains(&refusal.code())),
            }
        }
    }
}

#[test]
fn a_foreign_header_is_refused() {
    let delta = make(&old(), &new()).unwrap();
    let changed = |at: usize, value: u8| {
        let mut delta = delta.clone();
        delta[at] = value;
        refusal(&delta)
    };
    assert_eq!(changed(0, b'B'), DeltaError::DeltaMagicWrong);
    assert_eq!(changed(8, 0), DeltaError::DeltaVersionUnknown);
    assert_eq!(changed(8, 2), DeltaError::DeltaVersionUnknown);
    assert_eq!(changed(14, 0x20), DeltaError::DeltaWindowSizeWrong);
    assert_eq!(changed(52, 0xff), DeltaError::DeltaPayloadTooLarge);
}

/// A base that must not be read.
struct Untouched;

impl Base for Untouched {
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        panic!("the old payload was read")
    }
}

#[test]
fn a_delta_against_another_base_is_refused_before_any_output() {
    let delta = make(&old(), &new()).unwrap();
    let other = Payload { size: old().len() as u64, digest: [7; 32] };
    let opened = Applier::new(Untouched, &other, &delta[..], &Payload::of(&new()));
    assert_eq!(opened.err(), Some(DeltaError::DeltaBaseWrong));
    let shorter = Payload { size: 1, ..Payload::of(&old()) };
    let opened = Applier::new(Untouched, &shorter, &delta[..], &Payload::of(&new()));
    assert_eq!(opened.err(), Some(DeltaError::DeltaBaseWrong));
    let signed = Payload::of(&new());
    let from_new = apply_verified(&new(), &delta, &signed.digest, signed.size);
    assert_eq!(from_new, Err(DeltaError::DeltaBaseWrong));
}

#[test]
fn a_delta_to_another_payload_than_the_signed_is_refused_before_any_output() {
    let delta = make(&old(), &new()).unwrap();
    for signed in [Payload { size: 1, ..Payload::of(&new()) }, Payload::of(b"other")] {
        let opened = Applier::new(Untouched, &Payload::of(&old()), &delta[..], &signed);
        assert_eq!(opened.err(), Some(DeltaError::DeltaTargetWrong));
        let applied = apply_verified(&old(), &delta, &signed.digest, signed.size);
        assert_eq!(applied, Err(DeltaError::DeltaTargetWrong));
    }
}

#[test]
fn bytes_after_the_last_window_are_refused() {
    let mut delta = make(&old(), &new()).unwrap();
    delta.push(0);
    assert_eq!(refusal(&delta), DeltaError::DeltaTrailingBytes);
}

#[test]
fn a_window_over_the_bounds_is_refused() {
    let over = DeltaError::DeltaWindowTooLarge;
    assert_eq!(refusal(&window(b"", WINDOW_BYTES + 1, 0)), over);
    assert_eq!(refusal(&window(b"", 0, new().len() + 1)), over);
    let mut long = window(b"", 9, 0);
    let at = mapped(&[0, 0]).len();
    long[at..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(refusal(&long), over);
}

#[test]
fn a_map_over_the_bounds_is_refused() {
    for (field, value) in [(0, 3 << 20), (0, u32::MAX), (4, (2 << 20) + 1), (4, u32::MAX)] {
        let mut delta = mapped(&[0, 0]);
        delta[Header::BYTES + field..][..4].copy_from_slice(&value.to_le_bytes());
        assert_eq!(refusal(&delta), DeltaError::DeltaWindowTooLarge);
    }
}

#[test]
fn a_malformed_map_is_refused() {
    // An area: kind, old start, address, origin, first target, old length, targets' length.
    let (first, second) = ([0, 10, 0, 0, 0, 5, 9], [1, 15, 0, 0, 0, 5, 9]);
    let (empty, filled) = ([0, 10, 0, 0, 0, 0, 9], [1, 10, 0, 0, 0, 5, 9]);
    let maps: [(&str, Vec<u8>); 11] = [
        ("nothing", vec![]),
        ("no shifts", vec![0]),
        ("more after the end", vec![0, 0, 0]),
        ("an area short", [&[2][..], &first, &[0]].concat()),
        ("an unknown kind", vec![1, 4, 10, 0, 0, 0, 5, 9, 0]),
        ("areas that overlap", [&[2][..], &first, &first, &[0]].concat()),
        ("areas that fall", [&[2][..], &second, &first, &[0]].concat()),
        ("an empty area", [&[1][..], &empty, &[0]].concat()),
        ("empty areas at one place", [&[3][..], &empty, &empty, &filled, &[0]].concat()),
        ("shifts at one address", vec![0, 2, 7, 1, 0, 1]),
        ("more shifts than allowed", [&[0, 0x81, 0x80, 4][..], &[1; 131_074]].concat()),
    ];
    for (what, map) in maps {
        assert_eq!(refusal(&mapped(&map)), DeltaError::DeltaMapMalformed, "{what}");
    }
    let fine = [&[2][..], &first, &second, &[2, 0, 1, 7, 1]].concat();
    assert_eq!(refusal(&mapped(&fine)), DeltaError::DeltaTruncated);
}

#[test]
fn a_map_of_extremes_corrects_within_bounds() {
    let top = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    for kind in 0..4 {
        // All of the old payload, every address a target, and shifts by the largest step.
        let mut map = vec![1, kind, 0];
        map.extend([&top[..], &top, &[0]].concat());
        map.extend([&[0xff, 0xff, 0x03][..], &top, &[2, 0], &top, &[9], &top].concat());
        let size = new().len();
        let frame = zstd::bulk::compress(
            &[control(&[(20_000, size - 20_000, 0)]), vec![0; size]].concat(),
            3,
        );
        let frame = frame.unwrap();
        let mut delta = mapped(&map);
        for field in [frame.len(), 9, 20_000] {
            delta.extend((field as u32).to_le_bytes());
        }
        delta.extend(frame);
        assert_eq!(refusal(&delta), DeltaError::DeltaResultWrong);
    }
}

#[test]
fn a_decompression_bomb_is_refused_within_its_stated_size() {
    let bomb = zstd::bulk::compress(&vec![0; 200 << 20], 3).unwrap();
    assert!(bomb.len() < 20_000);
    assert_eq!(refusal(&window(&bomb, 9, 0)), DeltaError::DeltaFrameLengthWrong);
}

#[test]
fn a_frame_that_needs_a_large_window_is_refused() {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(24).unwrap();
    io::Write::write_all(&mut encoder, &new()).unwrap();
    let frame = encoder.finish().unwrap();
    assert_eq!(refusal(&window(&frame, 9, 0)), DeltaError::DeltaFrameUndecodable);
    assert_eq!(refusal(&window(b"no zstd at all", 9, 0)), DeltaError::DeltaFrameUndecodable);
}

#[test]
fn a_frame_of_another_length_than_stated_is_refused() {
    let size = new().len();
    let control = control(&[(0, size, 0)]);
    let wrong = DeltaError::DeltaFrameLengthWrong;
    let short = &new()[1..];
    assert_eq!(refusal(&forged(&control, &[], short)), wrong);
    let long = [&new()[..], b"!"].concat();
    assert_eq!(refusal(&forged(&control, &[], &long)), wrong);
    let frame = zstd::bulk::compress(&[&control, &new()[..]].concat(), 3).unwrap();
    let twice = [&frame[..], &frame].concat();
    assert_eq!(refusal(&window(&twice, control.len(), 0)), wrong);
}

#[test]
fn operations_that_do_not_add_up_are_refused() {
    let size = new().len();
    let refusal = |control: &[u8]| refusal(&forged(control, &[], &new()));
    let malformed = DeltaError::DeltaControlMalformed;
    assert_eq!(refusal(&control(&[(0, size - 1, 0)])), malformed);
    assert_eq!(refusal(&control(&[(0, size + 1, 0)])), malformed);
    assert_eq!(refusal(&control(&[(1, size, 0)])), malformed);
    assert_eq!(refusal(&control(&[(0, size, -1)])), malformed);
    assert_eq!(refusal(&control(&[(0, 0, 1), (0, size, 0)])), malformed);
    assert_eq!(refusal(&[]), malformed);
    assert_eq!(refusal(&control(&[(0, size, 0)])[..8]), malformed);
    assert_eq!(refusal(&[0xff; 30]), malformed);
}

#[test]
fn copies_from_outside_the_old_payload_are_refused() {
    let size = new().len();
    for operations in [[(19_999, 0, 0), (2, size - 20_001, 0)], [(0, 1, 19_999), (2, size - 3, 0)]]
    {
        let copied = operations[0].0 + operations[1].0;
        let extra = vec![0; size - copied];
        let delta = forged(&control(&operations), &vec![0; copied], &extra);
        assert_eq!(refusal(&delta), DeltaError::DeltaCopyOutOfRange);
    }
}

#[test]
fn a_well_formed_delta_with_wrong_bytes_is_refused_at_the_end() {
    let mut wrong = new();
    wrong[99] ^= 1;
    let delta = forged(&control(&[(0, wrong.len(), 0)]), &[], &wrong);
    assert_eq!(refusal(&delta), DeltaError::DeltaResultWrong);
    assert_eq!(apply(&old(), &delta, 1 << 20), Err(DeltaError::DeltaResultWrong));
}

#[test]
fn payloads_over_the_bound_are_refused() {
    let large = vec![0; PAYLOAD_BYTES_MAX as usize + 1];
    assert_eq!(make(&large, b""), Err(DeltaError::DeltaPayloadTooLarge));
    assert_eq!(make(b"", &large), Err(DeltaError::DeltaPayloadTooLarge));
    let delta = make(&old(), &new()).unwrap();
    let limited = apply(&old(), &delta, new().len() as u64 - 1);
    assert_eq!(limited, Err(DeltaError::DeltaPayloadTooLarge));
}

/// A base that fails, as a dying disk does.
struct Failing;

impl Base for Failing {
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[test]
fn a_base_that_cannot_be_read_is_reported() {
    let delta = make(&old(), &new()).unwrap();
    let mut applier =
        Applier::new(Failing, &Payload::of(&old()), &delta[..], &Payload::of(&new())).unwrap();
    let failed = DeltaError::DeltaReadFailed(io::ErrorKind::UnexpectedEof);
    assert_eq!(applier.next_window().err(), Some(failed));
}

#[test]
fn resuming_past_the_end_is_refused() {
    let (old, new) = (old(), new());
    let delta = make(&old, &new).unwrap();
    let open = |delta| Applier::new(&old[..], &Payload::of(&old), delta, &Payload::of(&new));
    assert_eq!(open(&delta[..]).unwrap().skip(2), Err(DeltaError::DeltaResumePastEnd));
    let cut = &delta[..delta.len() - 1];
    assert_eq!(open(cut).unwrap().skip(1), Err(DeltaError::DeltaTruncated));
}
