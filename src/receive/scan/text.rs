//! Text values by the Specific Character Set (PS3.5 section 6.1, PS3.3 C.12.1.1.2).
//!
//! In: raw values. Out: text without padding and control characters. A character set that
//! is unknown or broken gives replacement characters, never an error.

use dicom_core::VR;
use dicom_encoding::text::{SpecificCharacterSet, TextCodec};

/// Decodes the values of one data set.
pub(super) struct Decoder {
    sets: Vec<Option<SpecificCharacterSet>>,
}

/// Escape that switches code elements (ISO/IEC 2022).
const ESCAPE: u8 = 0x1B;

impl Decoder {
    /// For the raw value of Specific Character Set (0008,0005); empty for the default repertoire.
    pub fn new(value: &[u8]) -> Self {
        let text = String::from_utf8_lossy(value);
        let sets = text
            .split('\\')
            .map(|term| match term.trim_matches([' ', '\0']) {
                "" => Some(SpecificCharacterSet::ISO_IR_6),
                term => SpecificCharacterSet::from_code(term),
            })
            .collect();
        Self { sets }
    }

    /// The text of a value.
    pub fn decode(&self, bytes: &[u8], vr: VR) -> String {
        let clean: String = self.raw(bytes, vr).chars().filter(|c| !c.is_control()).collect();
        clean.trim().to_owned()
    }

    /// The text of a value of several lines (ST, LT, UT), which end in CR, LF or both (PS3.5 section 6.1.3).
    pub fn decode_lines(&self, bytes: &[u8], vr: VR) -> String {
        let text = self.raw(bytes, vr).replace("\r\n", "\n").replace(['\r', '\u{c}'], "\n");
        let clean: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
        clean.trim().to_owned()
    }

    fn raw(&self, bytes: &[u8], vr: VR) -> String {
        let by_set = matches!(vr, VR::LO | VR::LT | VR::PN | VR::SH | VR::ST | VR::UC | VR::UT | VR::UN);
        if by_set { self.decode_by_set(bytes) } else { String::from_utf8_lossy(bytes).into() }
    }

    fn decode_by_set(&self, bytes: &[u8]) -> String {
        if bytes.is_ascii() && !bytes.contains(&ESCAPE) {
            return String::from_utf8_lossy(bytes).into();
        }
        // With code extensions each escape names the set for what follows it.
        let mut text = String::new();
        let mut current = self.sets.first().cloned().flatten();
        for (index, piece) in bytes.split(|b| *b == ESCAPE).enumerate() {
            let piece = if index == 0 {
                piece
            } else {
                let (set, rest) = escaped(piece);
                current = set.or(current);
                rest
            };
            text.push_str(&decode_piece(current.as_ref(), piece));
        }
        text
    }
}

fn decode_piece(set: Option<&SpecificCharacterSet>, piece: &[u8]) -> String {
    // Many senders write UTF-8 without saying so.
    let declared_plain = set.is_none_or(|set| *set == SpecificCharacterSet::ISO_IR_6);
    if declared_plain {
        return String::from_utf8_lossy(piece).into();
    }
    set.and_then(|set| set.decode(piece).ok()).unwrap_or_else(|| String::from_utf8_lossy(piece).into())
}

/// The set that an escape sequence selects, and what follows it (PS3.3 tables C.12-3 and C.12-4).
fn escaped(piece: &[u8]) -> (Option<SpecificCharacterSet>, &[u8]) {
    const ESCAPES: &[(&[u8], &str)] = &[
        (b"$)C", "ISO 2022 IR 149"),
        (b"$)A", "ISO 2022 IR 58"),
        (b"$B", "ISO 2022 IR 87"),
        (b"-A", "ISO 2022 IR 100"),
        (b"-B", "ISO 2022 IR 101"),
        (b"-C", "ISO 2022 IR 109"),
        (b"-D", "ISO 2022 IR 110"),
        (b"-F", "ISO 2022 IR 126"),
        (b"-G", "ISO 2022 IR 127"),
        (b"-H", "ISO 2022 IR 138"),
        (b"-L", "ISO 2022 IR 144"),
        (b"-T", "ISO 2022 IR 166"),
        (b")I", "ISO 2022 IR 13"),
        (b"(J", "ISO 2022 IR 13"),
        (b"(B", "ISO 2022 IR 6"),
    ];
    for (escape, code) in ESCAPES {
        if let Some(rest) = piece.strip_prefix(*escape) {
            return (SpecificCharacterSet::from_code(code), rest);
        }
    }
    (None, piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_by_their_character_set() {
        let latin = Decoder::new(b"ISO_IR 100");
        assert_eq!(latin.decode(b"Buc^J\xe9r\xf4me", VR::PN), "Buc^Jérôme");
        let utf8 = Decoder::new(b"ISO_IR 192 ");
        assert_eq!(utf8.decode("Müller^Änne ".as_bytes(), VR::PN), "Müller^Änne");
        // PS3.5 annex I.2: Korean by code extension.
        let korean = Decoder::new(b"\\ISO 2022 IR 149");
        let name =
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(korean.decode(name, VR::PN), "Hong^Gildong=洪^吉洞=홍^길동");
    }

    #[test]
    fn an_unknown_character_set_and_control_characters_do_no_harm() {
        let unknown = Decoder::new(b"ISO_IR 999");
        assert_eq!(unknown.decode(b"A\x1b[31mB\r\n\0", VR::LO), "A[31mB");
        assert_eq!(unknown.decode(b"\xff\xfe", VR::LO), "\u{fffd}\u{fffd}");
    }
}
