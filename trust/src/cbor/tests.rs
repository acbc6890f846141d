use super::*;
use std::vec::Vec;

#[test]
fn cbor_1_refuses_every_other_encoding_of_the_same_value() {
    let others: [&[u8]; 9] = [
        &[0x18, 0x01],                   // long head
        &[0x19, 0x00, 0xff],             // longer head
        &[0x5f, 0x41, 0x00, 0xff],       // indefinite bytes
        &[0x9f, 0xff],                   // indefinite array
        &[0xa2, 0x02, 0x00, 0x01, 0x00], // keys out of order
        &[0xa2, 0x01, 0x00, 0x01, 0x00], // key twice
        &[0xf9, 0x00, 0x00],             // float
        &[0xc1, 0x00],                   // tag
        &[0xf7],                         // undefined
    ];
    for bytes in others {
        assert_eq!(canonical(bytes), Err(Error::CborNotCanonical), "{bytes:x?}");
    }
}

#[test]
fn cbor_2_refuses_nine_levels() {
    let eight = [0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00];
    assert_eq!(canonical(&eight), Ok(()));
    let nine = [0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00];
    assert_eq!(canonical(&nine), Err(Error::CborTooDeep));
}

#[test]
fn cbor_3_refuses_trailing_bytes() {
    assert_eq!(canonical(&[0x00, 0x00]), Err(Error::CborTrailing));
}

#[test]
fn refuses_malformed_items_as_cbor_malformed() {
    let broken: [&[u8]; 6] = [
        &[],
        &[0x41],
        &[0x1c],
        &[0x61, 0xff],
        &[0x82, 0x00],
        &[0x5b, 255, 255, 255, 255, 255, 255, 255, 255],
    ];
    for bytes in broken {
        assert_eq!(canonical(bytes), Err(Error::CborMalformed), "{bytes:x?}");
    }
}

/// RFC 8949, appendix A, and both ends of each width of a head.
const INTEGERS: [(i128, &[u8]); 20] = [
    (0, &[0x00]),
    (1, &[0x01]),
    (10, &[0x0a]),
    (23, &[0x17]),
    (24, &[0x18, 24]),
    (100, &[0x18, 100]),
    (255, &[0x18, 255]),
    (256, &[0x19, 1, 0]),
    (1000, &[0x19, 0x03, 0xe8]),
    (65_535, &[0x19, 255, 255]),
    (65_536, &[0x1a, 0, 1, 0, 0]),
    (1_000_000, &[0x1a, 0x00, 0x0f, 0x42, 0x40]),
    (0xffff_ffff, &[0x1a, 255, 255, 255, 255]),
    (1_000_000_000_000, &[0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00]),
    (i64::MAX as i128, &[0x1b, 127, 255, 255, 255, 255, 255, 255, 255]),
    (u64::MAX as i128, &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255]),
    (-1, &[0x20]),
    (-100, &[0x38, 99]),
    (-1000, &[0x39, 0x03, 0xe7]),
    (i64::MIN as i128, &[0x3b, 127, 255, 255, 255, 255, 255, 255, 255]),
];

fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<()>) -> Vec<u8> {
    let mut room = [0; 20];
    let mut writer = Writer::new(&mut room);
    write(&mut writer).unwrap();
    writer.written().unwrap().to_vec()
}

#[test]
fn integers_are_written_and_read_as_the_rfc_has_them() {
    for (value, bytes) in INTEGERS {
        if let Ok(value) = u64::try_from(value) {
            assert_eq!(written(|writer| writer.u64(value).map(|_| ())), bytes);
        }
        if let Ok(value) = i64::try_from(value) {
            assert_eq!(written(|writer| writer.i64(value).map(|_| ())), bytes);
        }
        let reader = || Reader::new(bytes).unwrap();
        assert_eq!(reader().u64(), u64::try_from(value).map_err(|_| Error::FieldInvalid));
        assert_eq!(reader().i64(), i64::try_from(value).map_err(|_| Error::FieldInvalid));
        assert_eq!(reader().u32(), u32::try_from(value).map_err(|_| Error::FieldInvalid));
        assert_eq!(reader().u8(), u8::try_from(value).map_err(|_| Error::FieldInvalid));
    }
    let below = Reader::new(&[0x3b, 128, 0, 0, 0, 0, 0, 0, 0]).unwrap().i64();
    assert_eq!(below, Err(Error::FieldInvalid));
}

#[test]
fn what_is_not_an_integer_is_written_and_read_as_the_rfc_has_it() {
    let bytes = [0x85, 0xf4, 0xf5, 0xf6, 0x63, 0xe6, 0xb0, 0xb4, 0xa1, 0x42, 1, 2, 0xf6];
    let same = written(|writer| {
        writer.array(5)?.bool(false)?.bool(true)?.null()?.text("\u{6c34}")?;
        writer.map(1)?.bytes(&[1, 2])?.bytes_or_null(None).map(|_| ())
    });
    assert_eq!(same, bytes);
    let mut reader = Reader { rest: &bytes };
    assert_eq!(reader.array_any(), Ok(5));
    assert_eq!((reader.bool(), reader.bool()), (Ok(false), Ok(true)));
    assert_eq!(reader.optional(Reader::u64), Ok(None));
    assert_eq!(reader.optional(|r| r.text(3)), Ok(Some("\u{6c34}")));
    assert_eq!(reader.map(1), Ok(()));
    assert_eq!(reader.fixed_in_place(), Ok(&[1, 2]));
    assert_eq!(reader.end(), Err(Error::CborTrailing));
    assert_eq!(reader.raw(), Ok(&[0xf6][..]));
    assert_eq!((reader.end(), reader.raw()), (Ok(()), Err(Error::FieldInvalid)));
}

/// Read as anything that it is not, or past the end, an item is no field.
#[test]
fn reader_refuses_other_types_as_field_invalid() {
    let items: [&[u8]; 8] = [&[0], &[0x20], &[0x40], &[0x60], &[0x80], &[0xa0], &[0xf5], &[0xf6]];
    for (place, item) in items.into_iter().enumerate() {
        let found = || Reader::new(item).unwrap();
        let read = [
            found().u64().is_ok(),
            found().i64().is_ok(),
            found().bytes(1).is_ok(),
            found().text(1).is_ok(),
            found().array(0).is_ok(),
            found().map(0).is_ok(),
            found().bool().is_ok(),
            found().null() == Ok(true),
        ];
        for (kind, read) in read.into_iter().enumerate() {
            let integer = place == 0 && kind == 1; // an unsigned one is a signed one, too
            assert_eq!(read, kind == place || integer, "{item:x?} as {kind}");
        }
    }
    let mut ended = Reader::new(&[0]).unwrap();
    assert_eq!(ended.u64(), Ok(0));
    assert_eq!(ended.u64(), Err(Error::FieldInvalid));
    assert_eq!(ended.optional(Reader::u64), Err(Error::FieldInvalid));
}

#[test]
fn reader_refuses_other_shapes_as_field_invalid_and_too_long() {
    assert_eq!(Reader::new(&[0x82, 0, 0]).unwrap().array(3), Err(Error::FieldInvalid));
    assert_eq!(Reader::new(&[0x82, 0, 0]).unwrap().list(1), Err(Error::FieldTooLong));
    assert_eq!(Reader::new(&[0x42, 0, 0]).unwrap().bytes(1), Err(Error::FieldTooLong));
    assert_eq!(Reader::new(&[0x42, 0, 0]).unwrap().fixed::<3>(), Err(Error::FieldInvalid));
    assert_eq!(Reader::new(&[0x00]).unwrap().text(1), Err(Error::FieldInvalid));
}

#[test]
fn writer_refuses_a_full_buffer_as_buffer_too_small() {
    let mut room = [0u8; 3];
    let mut writer = Writer::new(&mut room);
    writer.bytes(&[1, 2]).unwrap();
    assert_eq!(writer.null().err(), Some(Error::BufferTooSmall));
}

/// What it counts is not even looked at: there, each has another fault.
#[test]
fn rot_25_a_count_of_more_than_what_is_left_is_refused_in_its_head() {
    for head in [0x9a, 0xba, 0x5a, 0x7a] {
        let bytes = [head, 0x10, 0x00, 0x39, 0x79, 0x18, 0x01];
        assert_eq!(canonical(&bytes), Err(Error::CborMalformed), "{head:x}");
    }
    assert_eq!(canonical(&[0x82, 0x18, 0x01]), Err(Error::CborNotCanonical), "as many as are left");
}
