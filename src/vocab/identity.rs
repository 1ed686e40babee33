//! Who and where: patients, orders, sites and application entities.

use super::{coded_enum, text_newtype};

/// Value Representation LO holds at most 64 characters (PS3.5 section 6.2).
const MAX_LO_LENGTH: usize = 64;
/// Value Representation SH holds at most 16 characters; senders exceed it, so LO's limit is used.
const MAX_SH_LENGTH: usize = 64;
/// Value Representation AE holds at most 16 characters (PS3.5 section 6.2).
const MAX_AE_LENGTH: usize = 16;

pub(super) fn check_printable(text: &str, max: usize) -> Result<String, &'static str> {
    let text = text.trim_matches([' ', '\0']);
    if text.is_empty() {
        return Err("is empty");
    }
    if text.chars().count() > max {
        return Err("is too long");
    }
    if text.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    Ok(text.to_owned())
}

fn check_patient_id(text: &str) -> Result<String, &'static str> {
    check_printable(text, MAX_LO_LENGTH)
}
fn check_accession(text: &str) -> Result<String, &'static str> {
    check_printable(text, MAX_SH_LENGTH)
}
fn check_ae(text: &str) -> Result<String, &'static str> {
    if text.contains('\\') {
        return Err("holds a backslash");
    }
    if !text.is_ascii() {
        return Err("holds a character outside the default repertoire");
    }
    check_printable(text, MAX_AE_LENGTH)
}
fn check_site(text: &str) -> Result<String, &'static str> {
    let ok = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !text.bytes().all(ok) {
        return Err("holds a character that is not a letter, digit, hyphen or underscore");
    }
    check_printable(text, 32)
}

/// Ten digits, the last one a modulus 11 check digit (NHS Data Dictionary, NHS NUMBER).
fn check_nhs_number(text: &str) -> Result<String, &'static str> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    if digits.len() != 10 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is not ten digits");
    }
    let weighted: u32 =
        digits.bytes().take(9).zip((2..=10).rev()).map(|(b, w)| u32::from(b - b'0') * w).sum();
    let check = (11 - weighted % 11) % 11;
    let last = digits.bytes().last().map(|b| u32::from(b - b'0'));
    if check == 10 || Some(check) != last {
        return Err("fails its check digit");
    }
    Ok(digits)
}

text_newtype!(
    /// Patient ID (0010,0020).
    PatientId, "Patient ID", check_patient_id
);
text_newtype!(
    /// Accession Number (0008,0050).
    AccessionNumber, "Accession Number", check_accession
);
text_newtype!(
    /// Application Entity title (PS3.8 section 7.1.1): at most 16 characters, no backslash.
    AeTitle, "AE title", check_ae
);
text_newtype!(
    /// Short code of a site (a diagnostic centre or a screening van), from the configuration.
    SiteCode, "site code", check_site
);
text_newtype!(
    /// NHS number, with a valid check digit.
    NhsNumber, "NHS number", check_nhs_number
);

coded_enum!(
    /// Patient's Sex (0010,0040) (PS3.3 section C.7.1.1).
    Sex, "Patient's Sex" { Male = "M", Female = "F", Other = "O" }
);

coded_enum!(
    /// What a signed-in person or machine may do; a person can hold several.
    Role, "role" {
        Radiographer = "radiographer", Reader = "reader", Lead = "lead", Auditor = "auditor", Admin = "admin",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_nhs_number_needs_its_check_digit() {
        // 943 476 5919 is the example of the NHS Data Dictionary.
        assert_eq!("943 476 5919".parse::<NhsNumber>().unwrap().as_str(), "9434765919");
        assert!("9434765918".parse::<NhsNumber>().is_err());
        assert!("943476591".parse::<NhsNumber>().is_err());
    }

    #[test]
    fn an_ae_title_has_no_backslash_and_at_most_16_characters() {
        assert_eq!(" VAN1 ".parse::<AeTitle>().unwrap().as_str(), "VAN1");
        for bad in ["", "    ", "A\\B", "SEVENTEENLETTERSX", "A\u{1b}[0m", "A\r\nB"] {
            assert!(bad.parse::<AeTitle>().is_err(), "{bad:?} was accepted");
        }
    }
}
