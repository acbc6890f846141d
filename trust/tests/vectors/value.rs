//! CBOR as a tree, written apart from the crate under test, so that any shape can be made.

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Number(u64),
    /// −1 − n.
    Negative(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Bool(bool),
    Null,
    /// Bytes that are an item already, or pretend to be.
    Raw(Vec<u8>),
}

pub use Value::{Array, Bytes, Map, Negative, Null, Number, Raw, Text};

impl Value {
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Value {
        Bytes(bytes.as_ref().to_vec())
    }

    pub fn integer(value: i64) -> Value {
        u64::try_from(value).map_or_else(|_| Negative(value.unsigned_abs() - 1), Number)
    }

    pub fn map(pairs: impl IntoIterator<Item = (i64, Value)>) -> Value {
        Map(pairs.into_iter().map(|(key, value)| (Value::integer(key), value)).collect())
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Number(value) => head(0, *value, out),
            Negative(value) => head(1, *value, out),
            Bytes(bytes) => {
                head(2, bytes.len() as u64, out);
                out.extend(bytes);
            }
            Text(text) => {
                head(3, text.len() as u64, out);
                out.extend(text.as_bytes());
            }
            Array(items) => {
                head(4, items.len() as u64, out);
                items.iter().for_each(|item| item.write(out));
            }
            Map(pairs) => {
                head(5, pairs.len() as u64, out);
                pairs.iter().flat_map(|(k, v)| [k, v]).for_each(|item| item.write(out));
            }
            Value::Bool(value) => out.push(0xf4 + u8::from(*value)),
            Null => out.push(0xf6),
            Raw(bytes) => out.extend(bytes),
        }
    }

    /// Reads a well-formed item; a test's own objects are.
    pub fn decode(bytes: &[u8]) -> Value {
        let (value, rest) = read(bytes);
        assert!(rest.is_empty(), "bytes follow the item");
        value
    }

    /// The items of an array, or the values of a map.
    pub fn item(&mut self, place: usize) -> &mut Value {
        match self {
            Array(items) => &mut items[place],
            Map(pairs) => &mut pairs[place].1,
            other => panic!("no items in {other:?}"),
        }
    }

    pub fn items(&mut self) -> &mut Vec<Value> {
        match self {
            Array(items) => items,
            other => panic!("no array: {other:?}"),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Bytes(bytes) => bytes,
            other => panic!("no bytes: {other:?}"),
        }
    }
}

fn head(major: u8, value: u64, out: &mut Vec<u8>) {
    let first = major << 5;
    let wide = value.to_be_bytes();
    match value {
        0..=23 => out.push(first | wide[7]),
        24..=0xff => out.extend([first | 24, wide[7]]),
        0x100..=0xffff => out.extend([&[first | 25], &wide[6..]].concat()),
        0x1_0000..=0xffff_ffff => out.extend([&[first | 26], &wide[4..]].concat()),
        _ => out.extend([&[first | 27], &wide[..]].concat()),
    }
}

fn read(bytes: &[u8]) -> (Value, &[u8]) {
    let (first, rest) = bytes.split_first().expect("an item");
    let width = match first & 0x1f {
        24..=27 => 1 << ((first & 0x1f) - 24),
        _ => 0,
    };
    let (wide, rest) = rest.split_at(width);
    let long = wide.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    let value = if width == 0 { u64::from(first & 0x1f) } else { long };
    let length = usize::try_from(value).expect("a length");
    match first >> 5 {
        0 => (Number(value), rest),
        1 => (Negative(value), rest),
        2 => (Value::bytes(&rest[..length]), &rest[length..]),
        3 => {
            let text = std::str::from_utf8(&rest[..length]).expect("UTF-8");
            (Text(text.to_string()), &rest[length..])
        }
        4 => {
            let (items, rest) = many(rest, length);
            (Array(items), rest)
        }
        5 => {
            let (items, rest) = many(rest, 2 * length);
            let pairs = items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
            (Map(pairs.collect()), rest)
        }
        _ if value == 22 => (Null, rest),
        _ => (Value::Bool(value == 21), rest),
    }
}

fn many(mut rest: &[u8], count: usize) -> (Vec<Value>, &[u8]) {
    let mut items = Vec::new();
    for _ in 0..count {
        let (item, after) = read(rest);
        items.push(item);
        rest = after;
    }
    (items, rest)
}
