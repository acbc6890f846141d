//! Our one reader and writer of CBOR, judged by another codec (ciborium).
//!
//! Bytes are canonical for us if and only if the other one reads a whole value out of them, of the
//! kinds that we sign, and writes the same bytes for it. What is read is the same value, and what
//! we write is what it writes.

use coset::cbor::{Value, de, ser};
use craton_trust::cbor::{DEPTH_MAX, Reader, Writer, canonical};

const TRIED: usize = 400_000;

/// SplitMix64: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Any width of a head is as likely as any other.
    fn integer(&mut self) -> u64 {
        let edges = [0, 23, 24, 255, 256, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000, u64::MAX];
        match self.below(3) {
            0 => edges[self.below(edges.len())],
            _ => self.next() >> self.below(64),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        let kinds = if depth < DEPTH_MAX { 7 } else { 5 };
        match self.below(kinds) {
            0 => Value::from(self.integer()),
            1 => Value::from(-1 - (self.integer() >> 1) as i64),
            2 => Value::Bytes((0..self.below(40)).map(|_| self.next() as u8).collect()),
            3 => Value::Text("a½✓🦀z".chars().cycle().take(self.below(30)).collect()),
            4 => [Value::Bool(false), Value::Bool(true), Value::Null][self.below(3)].clone(),
            5 => Value::Array((0..self.below(5)).map(|_| self.value(depth + 1)).collect()),
            _ => {
                let mut pairs: Vec<(Value, Value)> = (0..self.below(5))
                    .map(|_| (self.value(DEPTH_MAX), self.value(depth + 1)))
                    .collect();
                pairs.sort_by_key(|(key, _)| written_by_other(key));
                pairs.dedup_by_key(|(key, _)| written_by_other(key));
                Value::Map(pairs)
            }
        }
    }

    /// Mostly a value, and changed in a byte or two.
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = written_by_other(&self.value(0));
        for _ in 0..self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(4) {
                0 => bytes.insert(at, self.next() as u8),
                1 => bytes.truncate(at),
                2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                _ if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.push(0),
            }
        }
        bytes
    }
}

fn written_by_other(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ser::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The value, if these bytes are the one canonical encoding of one that we sign.
fn read_by_other(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let value: Value = de::from_reader(&mut rest).ok()?;
    (rest.is_empty() && is_ours(&value, 0) && written_by_other(&value) == bytes).then_some(value)
}

fn is_ours(value: &Value, depth: usize) -> bool {
    let inside = |value: &Value| is_ours(value, depth + 1);
    let sorted = |pairs: &[(Value, Value)]| {
        let keys: Vec<_> = pairs.iter().map(|(key, _)| written_by_other(key)).collect();
        keys.is_sorted_by(|a, b| a < b)
    };
    depth <= DEPTH_MAX
        && match value {
            Value::Integer(_) | Value::Bytes(_) | Value::Text(_) => true,
            Value::Bool(_) | Value::Null => true,
            Value::Array(items) => items.iter().all(inside),
            Value::Map(pairs) => {
                sorted(pairs) && pairs.iter().all(|(key, value)| inside(key) && inside(value))
            }
            _ => false,
        }
}

/// The value as our reader finds it, which is told what to look for.
fn is_read(reader: &mut Reader<'_>, value: &Value) -> bool {
    match value {
        Value::Integer(number) => match u64::try_from(*number) {
            Ok(number) => reader.u64() == Ok(number),
            Err(_) => reader.i64().ok() == i64::try_from(*number).ok(),
        },
        Value::Bytes(bytes) => reader.bytes(usize::MAX) == Ok(bytes),
        Value::Text(text) => reader.text(usize::MAX) == Ok(text),
        Value::Bool(truth) => reader.bool() == Ok(*truth),
        Value::Null => reader.optional(|_| Ok(())) == Ok(None),
        Value::Array(items) => {
            let length = reader.array(items.len() as u64);
            length == Ok(()) && items.iter().all(|item| is_read(reader, item))
        }
        Value::Map(pairs) => {
            let length = reader.map(pairs.len() as u64);
            let mut both = |(key, value)| is_read(reader, key) && is_read(reader, value);
            length == Ok(()) && pairs.iter().all(|(key, value)| both((key, value)))
        }
        _ => false,
    }
}

fn write(writer: &mut Writer<'_>, value: &Value) {
    let wrote = match value {
        Value::Integer(number) => match u64::try_from(*number) {
            Ok(number) => writer.u64(number),
            Err(_) => writer.i64(i64::try_from(*number).unwrap()),
        },
        Value::Bytes(bytes) => writer.bytes(bytes),
        Value::Text(text) => writer.text(text),
        Value::Bool(truth) => writer.bool(*truth),
        Value::Null => writer.null(),
        Value::Array(items) => writer.array(items.len()),
        Value::Map(pairs) => writer.map(pairs.len()),
        _ => unreachable!("the dice throw none"),
    };
    wrote.map(drop).unwrap();
    match value {
        Value::Array(items) => items.iter().for_each(|item| write(writer, item)),
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            write(writer, key);
            write(writer, value);
        }),
        _ => {}
    }
}

#[test]
fn cbor_1_takes_what_another_codec_reads_and_writes_the_same() {
    let mut dice = Dice(8949);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..TRIED {
        let bytes = dice.bytes();
        let value = read_by_other(&bytes);
        assert_eq!(canonical(&bytes).is_ok(), value.is_some(), "{bytes:02x?}");
        let Some(value) = value else {
            refused += 1;
            continue;
        };
        taken += 1;
        if is_plain(&value) {
            let mut reader = Reader::new(&bytes).unwrap();
            assert!(is_read(&mut reader, &value), "{bytes:02x?}");
            assert_eq!(reader.end(), Ok(()));
        }
    }
    println!("{TRIED} inputs: {taken} taken, {refused} refused, by both");
    assert!(taken > TRIED / 10 && refused > TRIED / 10);
}

/// Whether it has numbers that fit the reader's types, and texts that it shows (CBOR-4).
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Integer(number) => u64::try_from(*number).is_ok() || i64::try_from(*number).is_ok(),
        Value::Text(text) => text.chars().all(|c| "a½✓🦀z".contains(c)),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Map(pairs) => pairs.iter().all(|(key, value)| is_plain(key) && is_plain(value)),
        _ => true,
    }
}

#[test]
fn cbor_1_writes_what_another_codec_writes() {
    let mut dice = Dice(1_1949);
    let mut room = vec![0; 1 << 20];
    for _ in 0..TRIED / 10 {
        let value = dice.value(0);
        let mut writer = Writer::new(&mut room);
        write(&mut writer, &value);
        let length = writer.length();
        assert_eq!(room[..length], written_by_other(&value));
    }
}
