//! Reads a Part-10 file into a tree of borrowed elements (PS3.5 section 7, PS3.10 section 7).
//!
//! In: the bytes of a file. Out: tags with slices of those bytes, sequences as nested data sets, encapsulated pixel
//! data as fragments. Iterative, bounded in depth and in number of elements; copies no value, so that a length that
//! lies can't make it allocate. Native pixel data of a large file stay there ([`InFile`]). Must never interpret a value:
//! that is `attributes`.

use std::fs::File;
mod header;

use std::io::Read;

use super::in_file::InFile;

use self::header::{Header, read_header, slice, tag_at, u16_at, u32_at};
use super::limits::Limits;

/// Why bytes are not a readable data set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseError {
    #[error("the file ends inside the header of an element")]
    Truncated,
    #[error("element ({group:04X},{element:04X}) is longer than the bytes that are left")]
    LengthBeyondEnd { group: u16, element: u16 },
    #[error("sequences nested deeper than {0}")]
    TooDeep(u32),
    #[error("more than {0} elements")]
    TooManyElements(u32),
    #[error("an item or delimiter where none belongs")]
    MisplacedItem,
    #[error("the deflated data set does not unfold")]
    NotDeflated,
    #[error("the deflated data set unfolds to more than {0} bytes")]
    DeflatedTooLarge(u64),
}

/// How the elements after group 2 are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoding {
    /// Whether each element names its value representation.
    pub explicit: bool,
    /// Byte order of tags, lengths and binary values.
    pub big_endian: bool,
}

/// The bytes that elements are read from, unfolded if they were deflated.
pub(super) struct SourceBytes {
    bytes: Vec<u8>,
    start: usize,
    /// Transfer Syntax UID (0002,0010) or, without a group 2, the one that the bytes look like.
    pub transfer_syntax: String,
    pub encoding: Encoding,
    /// The file and its size, where `bytes` are the first of it only.
    rest: Option<(File, u64)>,
}

/// Elements in file order.
#[derive(Debug, Clone, Default)]
pub(super) struct DataSet<'a> {
    elements: Vec<Element<'a>>,
}

#[derive(Debug, Clone)]
struct Element<'a> {
    tag: u32,
    vr: [u8; 2],
    value: Value<'a>,
}

/// What an element holds.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    Items(Vec<DataSet<'a>>),
    /// Encapsulated pixel data: the first is the Basic Offset Table (PS3.5 A.4).
    Fragments(Vec<&'a [u8]>),
    /// Native pixel data that were not read; nothing after them was, either.
    InFile(InFile<'a>),
}

/// Deflated Explicit VR Little Endian.
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const IMPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2";
const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";
const EXPLICIT_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
const PIXEL_DATA: u32 = 0x7FE0_0010;
const ITEM: u32 = 0xFFFE_E000;
const ITEM_END: u32 = 0xFFFE_E00D;
const SEQUENCE_END: u32 = 0xFFFE_E0DD;
const UNDEFINED: u32 = 0xFFFF_FFFF;

/// Sequences that later code looks into; in implicit VR nothing else tells that they are sequences.
const SEQUENCES: [u32; 12] = [
    0x0008_2218, // Anatomic Region Sequence
    0x0020_9071, // Frame Anatomy Sequence
    0x0028_3000, // Modality LUT Sequence
    0x0028_3010, // VOI LUT Sequence
    0x0028_9110, // Pixel Measures Sequence
    0x0028_9132, // Frame VOI LUT Sequence
    0x0028_9145, // Pixel Value Transformation Sequence
    0x0054_0220, // View Code Sequence
    0x0054_0222, // View Modifier Code Sequence
    0x0018_9A14, // (enhanced mammography) View descriptors
    0x5200_9229, // Shared Functional Groups Sequence
    0x5200_9230, // Per-frame Functional Groups Sequence
];

impl SourceBytes {
    /// Finds the start of the data set and its transfer syntax; unfolds it where it is deflated.
    pub fn open(file: Vec<u8>, limits: &Limits) -> Result<Self, ParseError> {
        let mut position = if file.get(128..132) == Some(b"DICM") { 132 } else { 0 };
        let mut transfer_syntax = String::new();
        let meta = Encoding { explicit: true, big_endian: false };
        while let Some(group) = u16_at(&file, position, false)
            && group == 2
        {
            let header = read_header(&file, position, meta, file.len())?;
            let value = slice(&file, header.value_at, header.length, header.tag)?;
            if header.tag == 0x0002_0010 {
                transfer_syntax = text(value);
            }
            position = header.value_at.saturating_add(value.len());
        }
        if transfer_syntax.is_empty() {
            transfer_syntax = guess_syntax(&file, position).to_owned();
        }
        let encoding = Encoding {
            explicit: transfer_syntax != IMPLICIT_LITTLE_ENDIAN,
            big_endian: transfer_syntax == EXPLICIT_BIG_ENDIAN,
        };
        if transfer_syntax == DEFLATED {
            let mut bytes = Vec::new();
            flate2::read::DeflateDecoder::new(file.get(position..).unwrap_or_default())
                .take(limits.max_inflated_bytes.saturating_add(1))
                .read_to_end(&mut bytes)
                .map_err(|_| ParseError::NotDeflated)?;
            if bytes.len() as u64 > limits.max_inflated_bytes {
                return Err(ParseError::DeflatedTooLarge(limits.max_inflated_bytes));
            }
            return Ok(Self { bytes, start: 0, transfer_syntax, encoding, rest: None });
        }
        Ok(Self { bytes: file, start: position, transfer_syntax, encoding, rest: None })
    }

    /// The same of the first bytes of `file`; `None` where no native pixel data begin in them and reach beyond them.
    pub fn open_head(head: Vec<u8>, file: File, size: u64, limits: &Limits) -> Option<Self> {
        let mut source = Self::open(head, limits).ok().filter(|source| source.transfer_syntax != DEFLATED)?;
        source.rest = Some((file, size));
        let in_file = matches!(source.parse(limits).ok()?.value(PIXEL_DATA), Some(Value::InFile(_)));
        in_file.then_some(source)
    }

    /// Reads the elements.
    pub fn parse(&self, limits: &Limits) -> Result<DataSet<'_>, ParseError> {
        Parser {
            bytes: &self.bytes,
            rest: self.rest.as_ref().map(|(file, size)| (file, *size)),
            position: self.start,
            big_endian: self.encoding.big_endian,
            elements: 0,
        }
        .run(self.encoding.explicit, limits)
    }
}

/// Without group 2: value representation letters after the first tag mean explicit VR.
fn guess_syntax(file: &[u8], position: usize) -> &'static str {
    let letters =
        file.get(position + 4..position + 6).is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
    let group = u16_at(file, position, false).unwrap_or(0);
    match (letters, group) {
        (true, 0..=0x00FF) => EXPLICIT_LITTLE_ENDIAN,
        (true, _) => EXPLICIT_BIG_ENDIAN,
        (false, _) => IMPLICIT_LITTLE_ENDIAN,
    }
}

impl<'a> DataSet<'a> {
    /// The value of a tag, the first if it occurs more than once.
    pub fn value(&self, tag: u32) -> Option<&Value<'a>> {
        self.elements.iter().find(|e| e.tag == tag).map(|e| &e.value)
    }

    /// The bytes of a tag.
    pub fn bytes(&self, tag: u32) -> Option<&'a [u8]> {
        match self.value(tag) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The value representation of a tag, `??` in implicit VR.
    pub fn vr(&self, tag: u32) -> Option<[u8; 2]> {
        self.elements.iter().find(|e| e.tag == tag).map(|e| e.vr)
    }

    /// The items of a sequence; none where it is absent or no sequence.
    pub fn items(&self, tag: u32) -> &[DataSet<'a>] {
        match self.value(tag) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }
}

/// Characters of a value without padding; those outside ASCII are replaced (codes and numbers only are read here).
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches(|c: char| c == '\0' || c.is_whitespace()).to_owned()
}

enum Level<'a> {
    Items { tag: u32, vr: [u8; 2], items: Vec<DataSet<'a>>, end: Option<usize>, explicit: bool },
    Elements { set: DataSet<'a>, end: Option<usize>, explicit: bool },
}

struct Parser<'a> {
    bytes: &'a [u8],
    rest: Option<(&'a File, u64)>,
    position: usize,
    big_endian: bool,
    elements: u32,
}

impl<'a> Parser<'a> {
    fn run(mut self, explicit: bool, limits: &Limits) -> Result<DataSet<'a>, ParseError> {
        let mut stack: Vec<Level<'a>> =
            vec![Level::Elements { set: DataSet::default(), end: Some(self.bytes.len()), explicit }];
        loop {
            if stack.len() as u64 > u64::from(limits.max_sequence_depth) * 2 + 1 {
                return Err(ParseError::TooDeep(limits.max_sequence_depth));
            }
            let outermost = stack.len() == 1;
            let Some(level) = stack.last_mut() else { return Ok(DataSet::default()) };
            match level {
                Level::Elements { set, end, explicit } => {
                    let (end, explicit) = (*end, *explicit);
                    if outermost && self.leave_pixels_in_file(set, explicit) {
                        return Ok(std::mem::take(set));
                    }
                    match self.next_element(set, end, explicit, limits)? {
                        Step::Read => continue,
                        Step::Descend(child) => {
                            stack.push(child);
                            continue;
                        }
                        Step::Closed => {}
                    }
                }
                Level::Items { end, explicit, .. } => {
                    let (end, explicit) = (*end, *explicit);
                    if let Some(child) = self.next_item(end, explicit)? {
                        stack.push(child);
                        continue;
                    }
                }
            }
            match (stack.pop(), stack.last_mut()) {
                (Some(Level::Elements { set, .. }), None) => return Ok(set),
                (Some(Level::Elements { set, .. }), Some(Level::Items { items, .. })) => items.push(set),
                (Some(Level::Items { tag, vr, items, .. }), Some(Level::Elements { set, .. })) => {
                    set.elements.push(Element { tag, vr, value: Value::Items(items) });
                }
                _ => return Err(ParseError::MisplacedItem),
            }
        }
    }

    /// Where the next element is native pixel data that go on in the file: notes where they lie.
    fn leave_pixels_in_file(&self, set: &mut DataSet<'a>, explicit: bool) -> bool {
        let Some((file, size)) = self.rest else { return false };
        let encoding = Encoding { explicit, big_endian: self.big_endian };
        match read_header(self.bytes, self.position, encoding, usize::MAX) {
            Ok(Header { tag: PIXEL_DATA, vr, length, value_at }) if length != UNDEFINED => {
                let start = value_at as u64;
                let length = u64::from(length).min(size.saturating_sub(start));
                if start + length <= self.bytes.len() as u64 {
                    return false;
                }
                let value = InFile { file, start, length };
                set.elements.push(Element { tag: PIXEL_DATA, vr, value: Value::InFile(value) });
                true
            }
            _ => false,
        }
    }

    /// Reads one element of a data set whose bytes end at `end`, or at a delimiter.
    fn next_element(
        &mut self,
        set: &mut DataSet<'a>,
        end: Option<usize>,
        explicit: bool,
        limits: &Limits,
    ) -> Result<Step<'a>, ParseError> {
        let hard_end = end.unwrap_or(self.bytes.len());
        // Fewer bytes than a header are padding after the last element.
        if self.position.saturating_add(8) > hard_end {
            self.position = hard_end;
            return Ok(Step::Closed);
        }
        self.elements += 1;
        if self.elements > limits.max_elements {
            return Err(ParseError::TooManyElements(limits.max_elements));
        }
        let encoding = Encoding { explicit, big_endian: self.big_endian };
        let header = read_header(self.bytes, self.position, encoding, hard_end)?;
        self.position = header.value_at;
        match header.tag {
            ITEM_END if end.is_none() => return Ok(Step::Closed),
            ITEM_END | SEQUENCE_END => return Ok(Step::Read),
            // An item whose sequence header was lost: its bytes say nothing that is needed here.
            ITEM if header.length != UNDEFINED => {
                self.position += slice(self.bytes, self.position, header.length, header.tag)?.len();
                return Ok(Step::Read);
            }
            ITEM => return Err(ParseError::MisplacedItem),
            _ => {}
        }
        if header.length == UNDEFINED && header.tag == PIXEL_DATA {
            let fragments = self.fragments(limits)?;
            let value = Value::Fragments(fragments);
            set.elements.push(Element { tag: header.tag, vr: header.vr, value });
            return Ok(Step::Read);
        }
        // UN of undefined length holds implicit VR items (PS3.5 section 6.2.2, note).
        let child_explicit = explicit && header.vr != *b"UN";
        if header.length == UNDEFINED {
            return Ok(Step::Descend(Level::Items {
                tag: header.tag,
                vr: header.vr,
                items: Vec::new(),
                end: None,
                explicit: child_explicit,
            }));
        }
        let length = header.length as usize;
        let left = hard_end.saturating_sub(self.position);
        // Pixel data cut short by a few bytes may still hold every pixel: the decoder decides.
        let value = if header.tag == PIXEL_DATA {
            slice(self.bytes, self.position, length.min(left) as u32, header.tag)?
        } else if length > left {
            let (group, element) = ((header.tag >> 16) as u16, (header.tag & 0xFFFF) as u16);
            return Err(ParseError::LengthBeyondEnd { group, element });
        } else {
            slice(self.bytes, self.position, header.length, header.tag)?
        };
        if SEQUENCES.contains(&header.tag) {
            return Ok(Step::Descend(Level::Items {
                tag: header.tag,
                vr: header.vr,
                items: Vec::new(),
                end: Some(self.position + value.len()),
                explicit: child_explicit,
            }));
        }
        self.position += value.len();
        set.elements.push(Element { tag: header.tag, vr: header.vr, value: Value::Bytes(value) });
        Ok(Step::Read)
    }

    /// Opens the next item of a sequence, or closes the sequence.
    fn next_item(&mut self, end: Option<usize>, explicit: bool) -> Result<Option<Level<'a>>, ParseError> {
        let hard_end = end.unwrap_or(self.bytes.len());
        if self.position.saturating_add(8) > hard_end {
            self.position = hard_end;
            return Ok(None);
        }
        let (tag, length) = self.item_header()?;
        match tag {
            ITEM if length == UNDEFINED => {
                Ok(Some(Level::Elements { set: DataSet::default(), end: None, explicit }))
            }
            ITEM => {
                let end = self.position.saturating_add(length as usize).min(hard_end);
                Ok(Some(Level::Elements { set: DataSet::default(), end: Some(end), explicit }))
            }
            SEQUENCE_END => Ok(None),
            _ => Err(ParseError::MisplacedItem),
        }
    }

    fn fragments(&mut self, limits: &Limits) -> Result<Vec<&'a [u8]>, ParseError> {
        let mut fragments = Vec::new();
        // A missing sequence delimiter at the end of the file is common and harmless.
        while self.position.saturating_add(8) <= self.bytes.len() {
            let (tag, length) = self.item_header()?;
            if tag != ITEM {
                break;
            }
            if fragments.len() as u64 > u64::from(limits.max_elements) {
                return Err(ParseError::TooManyElements(limits.max_elements));
            }
            let left = self.bytes.len().saturating_sub(self.position);
            let fragment = slice(self.bytes, self.position, length.min(left as u32), tag)?;
            self.position += fragment.len();
            fragments.push(fragment);
        }
        Ok(fragments)
    }

    fn item_header(&mut self) -> Result<(u32, u32), ParseError> {
        let tag = tag_at(self.bytes, self.position, self.big_endian).ok_or(ParseError::Truncated)?;
        let length = u32_at(self.bytes, self.position + 4, self.big_endian).ok_or(ParseError::Truncated)?;
        self.position += 8;
        Ok((tag, length))
    }
}

enum Step<'a> {
    Read,
    Descend(Level<'a>),
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Result<usize, ParseError> {
        let limits = Limits::default();
        let source = SourceBytes::open(bytes.to_vec(), &limits)?;
        source.parse(&limits).map(|set| set.elements.len())
    }

    #[test]
    fn sequences_nested_ten_thousand_deep_are_refused_without_recursion() {
        let mut bytes = Vec::new();
        for _ in 0..10_000 {
            bytes.extend(b"\x08\x00\x40\x11SQ\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF");
        }
        assert_eq!(parsed(&bytes), Err(ParseError::TooDeep(64)));
    }

    #[test]
    fn an_element_that_claims_four_gigabytes_is_refused() {
        let bytes = b"\x08\x00\x40\x11UT\0\0\xF0\xFF\xFF\xFFabcdefgh";
        assert_eq!(parsed(bytes), Err(ParseError::LengthBeyondEnd { group: 8, element: 0x1140 }));
    }

    #[test]
    fn a_deflated_bomb_stops_at_its_limit() {
        let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut deflated, &vec![0_u8; 4 << 20]).unwrap();
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99");
        bytes.extend(deflated.finish().unwrap());
        let limits = Limits { max_inflated_bytes: 1 << 20, ..Limits::default() };
        let opened = SourceBytes::open(bytes, &limits);
        assert!(matches!(opened, Err(ParseError::DeflatedTooLarge(_))));
    }
}
