//! JSON (RFC 8259) where every value and every field knows the place it came from.
//!
//! Stricter than the RFC in one point: a field named twice in one object is refused.

use super::error::{Refusal, Refused, shown};

const DEPTH_MAX: usize = 16;

/// A value and the byte offset at which it starts.
#[derive(Debug)]
pub struct Value {
    pub at: usize,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A number with a fraction or an exponent, or beyond 64 bits: no field wants one.
    OtherNumber,
    Text(String),
    List(Vec<Value>),
    Object(Vec<Field>),
}

#[derive(Debug)]
pub struct Field {
    pub at: usize,
    pub name: String,
    pub value: Value,
}

/// Reads exactly one value, with nothing but white space after it.
pub fn read(text: &str) -> Result<Value, Refused> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value()?;
    reader.space();
    match reader.rest().is_empty() {
        true => Ok(value),
        false => Err(reader.not_json("text follows the closing brace")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    fn not_json(&self, what: &'static str) -> Refused {
        Refused { at: self.at, refusal: Refusal::ManifestNotJson { what } }
    }

    fn value(&mut self) -> Result<Value, Refused> {
        self.space();
        let at = self.at;
        let kind = match self.peek() {
            Some('{') => self.nested(Self::object)?,
            Some('[') => self.nested(Self::list)?,
            Some('"') => Kind::Text(self.string()?),
            Some('-' | '0'..='9') => self.number()?,
            _ if self.take("true") => Kind::Boolean(true),
            _ if self.take("false") => Kind::Boolean(false),
            _ if self.take("null") => Kind::Null,
            _ => return Err(self.not_json("a value is missing")),
        };
        Ok(Value { at, kind })
    }

    /// Bounds the recursion, and with it the stack that an input can use.
    fn nested(&mut self, read: fn(&mut Self) -> Result<Kind, Refused>) -> Result<Kind, Refused> {
        if self.depth == DEPTH_MAX {
            return Err(Refused { at: self.at, refusal: Refusal::ManifestTooDeep });
        }
        self.depth += 1;
        let kind = read(self)?;
        self.depth -= 1;
        Ok(kind)
    }

    fn object(&mut self) -> Result<Kind, Refused> {
        let mut fields: Vec<Field> = Vec::new();
        self.take("{");
        self.space();
        while !self.take("}") {
            if !fields.is_empty() && !self.take(",") {
                return Err(self.not_json("a comma or a closing brace is missing"));
            }
            self.space();
            let (at, name) = (self.at, self.string()?);
            if fields.iter().any(|field| field.name == name) {
                return Refused::err(at, Refusal::ManifestFieldDuplicate { name: shown(&name) });
            }
            self.space();
            if !self.take(":") {
                return Err(self.not_json("a colon is missing"));
            }
            let value = self.value()?;
            fields.push(Field { at, name, value });
            self.space();
        }
        Ok(Kind::Object(fields))
    }

    fn list(&mut self) -> Result<Kind, Refused> {
        let mut values = Vec::new();
        self.take("[");
        self.space();
        while !self.take("]") {
            if !values.is_empty() && !self.take(",") {
                return Err(self.not_json("a comma or a closing bracket is missing"));
            }
            values.push(self.value()?);
            self.space();
        }
        Ok(Kind::List(values))
    }

    fn number(&mut self) -> Result<Kind, Refused> {
        let start = self.at;
        self.take("-");
        let first = self.peek();
        let digits = self.some_digits()?;
        if first == Some('0') && digits > 1 {
            return Err(self.not_json("a number starts with 0"));
        }
        let mut whole = true;
        if self.take(".") {
            whole = false;
            self.some_digits()?;
        }
        if self.take("e") || self.take("E") {
            whole = false;
            let _sign = self.take("+") || self.take("-");
            self.some_digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or("");
        let integer = text.parse().ok().filter(|_| whole);
        Ok(integer.map_or(Kind::OtherNumber, Kind::Integer))
    }

    fn some_digits(&mut self) -> Result<usize, Refused> {
        let rest = self.rest();
        let count = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        self.at += count;
        match count {
            0 => Err(self.not_json("a digit is missing")),
            _ => Ok(count),
        }
    }

    fn string(&mut self) -> Result<String, Refused> {
        if !self.take("\"") {
            return Err(self.not_json("a string in double quotes is missing"));
        }
        let mut text = String::new();
        loop {
            let Some(next) = self.peek() else {
                return Err(self.not_json("a string does not end"));
            };
            match next {
                '"' => {
                    self.at += 1;
                    return Ok(text);
                }
                '\\' => text.push(self.escape()?),
                c if (c as u32) < 0x20 => {
                    return Err(self.not_json("a control character stands in a string"));
                }
                c => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Refused> {
        self.take("\\");
        let Some(letter) = self.peek() else { return Err(self.not_json("a string does not end")) };
        let plain = match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            _ => return Err(self.not_json("an unknown escape")),
        };
        self.at += letter.len_utf8();
        Ok(plain)
    }

    /// One `\uXXXX`, or two that form a surrogate pair.
    fn unicode(&mut self) -> Result<char, Refused> {
        let high = self.code_unit()?;
        if let Some(c) = char::from_u32(high) {
            return Ok(c);
        }
        let paired = (0xd800..0xdc00).contains(&high) && self.take("\\");
        let low = if paired { self.code_unit()? } else { 0 };
        if !(0xdc00..0xe000).contains(&low) {
            return Err(self.not_json("half of a surrogate pair"));
        }
        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        char::from_u32(code).ok_or_else(|| self.not_json("half of a surrogate pair"))
    }

    fn code_unit(&mut self) -> Result<u32, Refused> {
        let digits = self.rest().strip_prefix('u').and_then(|rest| rest.get(..4));
        let hex = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = hex.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.not_json("four hexadecimal digits are missing"))?;
        self.at += 5;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, Refusal) {
        let refused = read(text).expect_err(text);
        (refused.at, refused.refusal)
    }

    fn string(text: &str) -> String {
        match read(text).expect(text).kind {
            Kind::Text(text) => text,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn values_know_their_place() {
        let root = read(" {\n \"a\": [1, -20, true, null]}").expect("JSON");
        let Kind::Object(fields) = root.kind else { panic!("an object") };
        let Kind::List(values) = &fields[0].value.kind else { panic!("a list") };
        assert_eq!((root.at, fields[0].at, fields[0].value.at), (1, 4, 9));
        assert_eq!(values.iter().map(|v| v.at).collect::<Vec<_>>(), [10, 13, 18, 24]);
        assert!(matches!(values[1].kind, Kind::Integer(-20)));
    }

    #[test]
    fn escapes_are_read_and_half_a_pair_is_refused() {
        assert_eq!(string(r#""a\n\"\\\/\u00e9\ud83d\ude00""#), "a\n\"\\/é😀");
        for text in [r#""\ud83d""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#""\udc00""#] {
            assert!(matches!(refused(text).1, Refusal::ManifestNotJson { .. }), "{text}");
        }
    }

    #[test]
    fn what_rfc_8259_does_not_allow_is_refused() {
        let texts = [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "[1 2]",
            "01",
            "-01",
            "-",
            "1.",
            "1e",
            "+1",
            ".5",
            "nul",
            "tru",
            "'a'",
            "\"a",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "1 2",
            "{} {}",
            "\u{feff}{}",
            "// c\n1",
            "NaN",
        ];
        for text in texts {
            assert!(matches!(refused(text).1, Refusal::ManifestNotJson { .. }), "{text}");
        }
    }

    #[test]
    fn only_whole_numbers_of_64_bits_are_integers() {
        for text in ["1.0", "1e3", "9223372036854775808", "0.5E-7"] {
            assert!(matches!(read(text).expect(text).kind, Kind::OtherNumber), "{text}");
        }
        let least = read("-9223372036854775808").expect("an integer");
        assert!(matches!(least.kind, Kind::Integer(i64::MIN)));
        assert!(matches!(read("0").expect("zero").kind, Kind::Integer(0)));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&nested(16)).is_ok());
        assert_eq!(refused(&nested(17)), (16, Refusal::ManifestTooDeep));
        assert_eq!(refused(&"[".repeat(60_000)).1, Refusal::ManifestTooDeep);
    }
}
