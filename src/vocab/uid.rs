//! DICOM unique identifiers (PS3.5 section 9): digits and dots, at most 64 characters.

use super::text_newtype;

/// Longest UID that the standard allows (PS3.5 section 9.1).
const MAX_UID_LENGTH: usize = 64;

fn check_uid(text: &str) -> Result<String, &'static str> {
    // Value Representation UI is padded with one NUL to even length (PS3.5 section 6.2);
    // some senders pad with a space.
    let text = text.trim_end_matches(['\0', ' ']);
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > MAX_UID_LENGTH {
        return Err("is longer than 64 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err("holds a character that is not a digit or a dot");
    }
    // Leading zeros in a component are against the standard but common, and harmless here.
    if text.split('.').any(str::is_empty) {
        return Err("has an empty component");
    }
    Ok(text.to_owned())
}

text_newtype!(
    /// Study Instance UID (0020,000D).
    StudyInstanceUid, "Study Instance UID", check_uid
);
text_newtype!(
    /// Series Instance UID (0020,000E).
    SeriesInstanceUid, "Series Instance UID", check_uid
);
text_newtype!(
    /// SOP Instance UID (0008,0018).
    SopInstanceUid, "SOP Instance UID", check_uid
);
text_newtype!(
    /// SOP Class UID (0008,0016).
    SopClassUid, "SOP Class UID", check_uid
);
text_newtype!(
    /// Transfer Syntax UID (0002,0010).
    TransferSyntaxUid, "Transfer Syntax UID", check_uid
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_digits_and_dots_of_at_most_64_characters() {
        assert_eq!("1.2.840\0".parse::<SopInstanceUid>().unwrap().as_str(), "1.2.840");
        for bad in ["", "../etc", "/1.2", "1..2", "1.2.", ".1", "1.2\u{0}3", "1.a", "\0"] {
            assert!(bad.parse::<SopInstanceUid>().is_err(), "{bad:?} was accepted");
        }
        assert!("1".repeat(64).parse::<SopInstanceUid>().is_ok());
        assert!("1".repeat(65).parse::<SopInstanceUid>().is_err());
    }
}
