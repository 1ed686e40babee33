//! The head of a DICOM file (PS3.10 section 7): preamble, prefix and file meta information.
//!
//! In: class, instance and syntax. Out: bytes that depend on nothing else, so that the same
//! data set from two senders is the same file. Also reads the heads of files to be sent.

use super::associate::IMPLEMENTATION_CLASS_UID;
use super::classes;
use super::scan::{Limits, Picked, Scanner};
use std::io::Read;

/// Most bytes of file meta information that we read.
const MOST_META: usize = 64 * 1024;
const PREAMBLE: usize = 128;
/// Bytes by which the syntax of a data set without a head is guessed.
const BARE_FRONT: usize = 256;

/// Why a file can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// It could not be read.
    #[error("the file can't be read")]
    Io(#[from] std::io::Error),
    /// No `DICM` after the preamble.
    #[error("not a DICOM file (no DICM at byte 128, and no data set)")]
    NotDicom,
    /// The file meta information is broken.
    #[error("the file meta information is not well formed")]
    Malformed,
    /// Neither the data set nor the file meta information says what it is.
    #[error("it has no {attribute}, so it can't be sent over DICOM")]
    NoIdentity {
        /// What is missing.
        attribute: &'static str,
    },
    /// The file meta information lacks a UID that is needed.
    #[error("the file meta information has no {attribute}")]
    Missing {
        /// Its name.
        attribute: &'static str,
    },
}

/// What the head of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Media Storage SOP Class UID (0002,0002).
    pub class: String,
    /// Media Storage SOP Instance UID (0002,0003).
    pub instance: String,
    /// Transfer Syntax UID (0002,0010).
    pub syntax: String,
    /// Offset of the data set in bytes.
    pub data_set_at: u64,
}

/// The head of a stored file.
pub(super) fn head_bytes(class: &str, instance: &str, syntax: &str) -> Vec<u8> {
    let mut meta = Vec::with_capacity(256);
    // File Meta Information Version (0002,0001), OB: long form of the length.
    meta.extend_from_slice(&[2, 0, 1, 0, b'O', b'B', 0, 0, 2, 0, 0, 0, 0, 1]);
    for (element, uid) in [(0x02, class), (0x03, instance), (0x10, syntax), (0x12, IMPLEMENTATION_CLASS_UID)]
    {
        let mut value = uid.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(0);
        }
        meta.extend_from_slice(&[2, 0, element, 0, b'U', b'I']);
        meta.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        meta.extend_from_slice(&value);
    }
    let mut bytes = vec![0; PREAMBLE];
    bytes.extend_from_slice(b"DICM");
    // File Meta Information Group Length (0002,0000).
    bytes.extend_from_slice(&[2, 0, 0, 0, b'U', b'L', 4, 0]);
    bytes.extend_from_slice(&u32::try_from(meta.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&meta);
    bytes
}

/// Reads the head of a file. The UIDs are those of the data set, which receivers compare, where it says them early on,
/// else those of the file meta information. Also takes a file without preamble, and one that is a data set alone, in
/// either little endian.
pub fn read_head(file: &mut impl Read) -> Result<Head, HeadError> {
    let mut bytes = Vec::new();
    file.take((PREAMBLE + 4 + MOST_META) as u64).read_to_end(&mut bytes)?;
    let after_preamble = bytes.get(PREAMBLE..).and_then(|rest| rest.strip_prefix(b"DICM"));
    let meta = match after_preamble {
        Some(rest) => read_meta(rest)?,
        // A group 2 without a preamble.
        None if bytes.starts_with(&[2, 0]) => read_meta(&bytes)?,
        None => {
            Meta { data_set: &bytes, syntax: Some(syntax_of_bare(&bytes)?.to_owned()), ..Meta::default() }
        }
    };
    let syntax = meta.syntax.ok_or(HeadError::Missing { attribute: "Transfer Syntax UID" })?;
    let picked = picked_from_front(&syntax, meta.data_set);
    let class = picked.sop_class_uid().ok().map(String::from).or(meta.class);
    let instance = picked.sop_instance_uid().ok().map(String::from).or(meta.instance);
    Ok(Head {
        class: class.ok_or(HeadError::NoIdentity { attribute: "SOP Class UID" })?,
        instance: instance.ok_or(HeadError::NoIdentity { attribute: "SOP Instance UID" })?,
        syntax,
        data_set_at: (bytes.len() - meta.data_set.len()) as u64,
    })
}

/// What the first bytes of a data set say.
fn picked_from_front(syntax: &str, bytes: &[u8]) -> Picked {
    let mut scanner = front_scanner(syntax);
    // What comes later may be cut or broken; only what comes before counts here.
    let _ = scanner.feed(bytes);
    scanner.so_far().clone()
}

fn front_scanner(syntax: &str) -> Scanner {
    Scanner::new(syntax, Limits { sequence_depth: 64, element_length: u64::MAX, total: u64::MAX })
}

/// The syntax of a data set without a head: it begins with group 8, explicit where its first element says so.
fn syntax_of_bare(bytes: &[u8]) -> Result<&'static str, HeadError> {
    let begins_well = |syntax: &str| {
        let front = bytes.get(..BARE_FRONT).unwrap_or(bytes);
        front_scanner(syntax).feed(front).is_ok()
    };
    if !bytes.starts_with(&[8, 0]) {
        return Err(HeadError::NotDicom);
    }
    [classes::EXPLICIT_LITTLE, classes::IMPLICIT_LITTLE]
        .into_iter()
        .find(|syntax| begins_well(syntax))
        .ok_or(HeadError::NotDicom)
}

/// File meta information as far as it is needed, and the bytes after it.
#[derive(Default)]
struct Meta<'a> {
    class: Option<String>,
    instance: Option<String>,
    syntax: Option<String>,
    data_set: &'a [u8],
}

fn read_meta(bytes: &[u8]) -> Result<Meta<'_>, HeadError> {
    let mut meta = Meta { data_set: bytes, ..Meta::default() };
    // The group length may be wrong or missing: the group ends where another begins.
    while let Some((&[2, 0, c, d, e, f, g, h], after)) = meta.data_set.split_first_chunk::<8>() {
        let long = matches!(&[e, f], b"OB" | b"OW" | b"UN" | b"UT" | b"SQ" | b"UC" | b"UR");
        let (length, after) = if long {
            let (four, after) = after.split_first_chunk::<4>().ok_or(HeadError::Malformed)?;
            (u32::from_le_bytes(*four), after)
        } else {
            (u32::from(u16::from_le_bytes([g, h])), after)
        };
        let length = usize::try_from(length).map_err(|_| HeadError::Malformed)?;
        let (value, later) = after.split_at_checked(length).ok_or(HeadError::Malformed)?;
        let text = || {
            let text = String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned();
            Some(text).filter(|text| !text.is_empty())
        };
        match u16::from_le_bytes([c, d]) {
            0x0002 => meta.class = text(),
            0x0003 => meta.instance = text(),
            0x0010 => meta.syntax = text(),
            _ => {}
        }
        meta.data_set = later;
    }
    Ok(meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_as_written_and_is_the_same_each_time() {
        let bytes = head_bytes("1.2.840.10008.5.1.4.1.1.1", "1.2.3", "1.2.840.10008.1.2.1");
        assert_eq!(bytes, head_bytes("1.2.840.10008.5.1.4.1.1.1", "1.2.3", "1.2.840.10008.1.2.1"));
        let head = read_head(&mut bytes.as_slice()).unwrap();
        assert_eq!((head.instance.as_str(), head.data_set_at), ("1.2.3", bytes.len() as u64));
        let cut = &bytes[..bytes.len() - 3];
        assert!(matches!(read_head(&mut &cut[..]), Err(HeadError::Malformed)));
    }
    #[test]
    fn files_without_a_preamble_or_without_any_head_are_read_and_those_without_identity_say_so() {
        let element = |tag: [u8; 4], vr: &[u8], value: &[u8]| {
            let length = u16::try_from(value.len()).unwrap().to_le_bytes();
            [tag.as_slice(), vr, &length, value].concat()
        };
        let class = element([8, 0, 0x16, 0], b"UI", b"1.2.840.10008.5.1.4.1.1.7\0");
        let instance = element([8, 0, 0x18, 0], b"UI", b"1.2.3\0");
        let bare = [class.clone(), instance.clone()].concat();
        let head = read_head(&mut bare.as_slice()).unwrap();
        assert_eq!(
            (head.instance.as_str(), head.syntax.as_str(), head.data_set_at),
            ("1.2.3", "1.2.840.10008.1.2.1", 0)
        );

        let implicit = |tag: [u8; 4], value: &[u8]| {
            [tag.as_slice(), &u32::try_from(value.len()).unwrap().to_le_bytes(), value].concat()
        };
        let bare = [implicit([8, 0, 0x16, 0], b"1.2.840\0"), implicit([8, 0, 0x18, 0], b"1.2.9\0")].concat();
        let head = read_head(&mut bare.as_slice()).unwrap();
        assert_eq!((head.instance.as_str(), head.syntax.as_str()), ("1.2.9", "1.2.840.10008.1.2"));

        let syntax = element([2, 0, 0x10, 0], b"UI", b"1.2.840.10008.1.2.4.80");
        let no_preamble = [syntax.clone(), class.clone(), instance].concat();
        let head = read_head(&mut no_preamble.as_slice()).unwrap();
        assert_eq!((head.syntax.as_str(), head.data_set_at), ("1.2.840.10008.1.2.4.80", syntax.len() as u64));

        let error = read_head(&mut [syntax, class].concat().as_slice()).unwrap_err();
        assert_eq!(error.to_string(), "it has no SOP Instance UID, so it can't be sent over DICOM");
        for other in
            [b"\x89PNG\r\n\x1a\n and more".as_slice(), b"", b"plain text, 8 bytes and more", b"\x08\0"]
        {
            let error = read_head(&mut &other[..]).unwrap_err();
            assert!(matches!(error, HeadError::NotDicom | HeadError::NoIdentity { .. }), "{error}");
        }
    }
}
