//! The head of a DICOM file (PS3.10 section 7): preamble, prefix and file meta information.
//!
//! In: class, instance and syntax. Out: bytes that depend on nothing else, so that the same
//! data set from two senders is the same file. Also reads the heads of files to be sent.

use super::associate::IMPLEMENTATION_CLASS_UID;
use super::classes;
use super::scan::{Limits, Scanner};
use std::io::Read;

/// Most bytes of file meta information that we read.
const MOST_META: usize = 64 * 1024;
const PREAMBLE: usize = 128;

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

/// Reads the head of a file. The UIDs are those of the data set, which receivers compare, where
/// it says them early on. A data set without a head is recognised, too, if it is not compressed.
pub fn read_head(file: &mut impl Read) -> Result<Head, HeadError> {
    let mut bytes = Vec::new();
    file.take((PREAMBLE + 4 + MOST_META) as u64).read_to_end(&mut bytes)?;
    let mut head = match read_meta(&bytes) {
        Err(HeadError::NotDicom) => {
            return bare_data_set(&bytes).ok_or(HeadError::NotDicom);
        }
        meta => meta?,
    };
    let at = usize::try_from(head.data_set_at).unwrap_or(usize::MAX);
    if let Some((class, instance)) = uids_in(&head.syntax, bytes.get(at..).unwrap_or_default()) {
        (head.class, head.instance) = (class, instance);
    }
    Ok(head)
}

/// Class and instance in the first bytes of a data set.
fn uids_in(syntax: &str, bytes: &[u8]) -> Option<(String, String)> {
    let limits = Limits { sequence_depth: 64, element_length: u64::MAX, total: u64::MAX };
    let mut scanner = Scanner::new(syntax, limits);
    // What comes later may be cut or broken; only what comes before counts here.
    let _ = scanner.feed(bytes);
    let picked = scanner.so_far();
    Some((picked.sop_class_uid().ok()?.into(), picked.sop_instance_uid().ok()?.into()))
}

fn bare_data_set(bytes: &[u8]) -> Option<Head> {
    [classes::EXPLICIT_LITTLE, classes::IMPLICIT_LITTLE].into_iter().find_map(|syntax| {
        let (class, instance) = uids_in(syntax, bytes)?;
        Some(Head { class, instance, syntax: syntax.to_owned(), data_set_at: 0 })
    })
}

fn read_meta(bytes: &[u8]) -> Result<Head, HeadError> {
    let rest = bytes.get(PREAMBLE..).and_then(|r| r.strip_prefix(b"DICM")).ok_or(HeadError::NotDicom)?;
    let mut at = rest;
    let (mut class, mut instance, mut syntax) = (None, None, None);
    // The group length may be wrong or missing: the group ends where another begins.
    while let Some((&[2, 0, c, d, e, f, g, h], after)) = at.split_first_chunk::<8>() {
        let long = matches!(&[e, f], b"OB" | b"OW" | b"UN" | b"UT" | b"SQ" | b"UC" | b"UR");
        let (length, after) = if long {
            let (four, after) = after.split_first_chunk::<4>().ok_or(HeadError::Malformed)?;
            (u32::from_le_bytes(*four), after)
        } else {
            (u32::from(u16::from_le_bytes([g, h])), after)
        };
        let length = usize::try_from(length).map_err(|_| HeadError::Malformed)?;
        let (value, later) = after.split_at_checked(length).ok_or(HeadError::Malformed)?;
        let text = || Some(String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned());
        match u16::from_le_bytes([c, d]) {
            0x0002 => class = text(),
            0x0003 => instance = text(),
            0x0010 => syntax = text(),
            _ => {}
        }
        at = later;
    }
    Ok(Head {
        class: class.ok_or(HeadError::Missing { attribute: "Media Storage SOP Class UID" })?,
        instance: instance.ok_or(HeadError::Missing { attribute: "Media Storage SOP Instance UID" })?,
        syntax: syntax.ok_or(HeadError::Missing { attribute: "Transfer Syntax UID" })?,
        data_set_at: (bytes.len() - at.len()) as u64,
    })
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
}
