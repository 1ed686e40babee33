//! Association requests and their answers (PS3.8 section 9.3.2 to 9.3.4, annex D).
//!
//! In: the bounded body of an A-ASSOCIATE PDU. Out: plain values, and bytes of our own. Used by
//! both sides; no rule of acceptance lives here.

/// Our implementation class UID (PS3.7 annex D.3.3.2), derived from a UUID. It is part of every
/// stored file, and with it of every content hash: never change it.
pub(super) const IMPLEMENTATION_CLASS_UID: &str = "2.25.155347936288270613218421936713391042763";
const IMPLEMENTATION_VERSION: &str = "DOUBLEREAD";
/// DICOM application context name (PS3.7 annex A.2.1).
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
/// Most presentation contexts: identifiers are the odd numbers below 256.
pub(super) const MOST_CONTEXTS: usize = 128;
/// Bytes before the variable items.
const FIXED: usize = 68;

/// Why a body is no association request or acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssociateError {
    /// An item runs past its end.
    #[error("an item of the association request runs past its end")]
    Truncated,
    /// More presentation contexts than identifiers.
    #[error("too many presentation contexts")]
    TooManyContexts,
}

/// A presentation context that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposed {
    pub id: u8,
    pub class: String,
    pub syntaxes: Vec<String>,
}

/// An association request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub protocol_version: u16,
    pub called_ae: String,
    pub calling_ae: String,
    pub contexts: Vec<Proposed>,
    /// Longest P-DATA-TF that the peer takes; 0 for no limit.
    pub pdu_length: u32,
}

/// The answer to one presentation context (PS3.8 table 9-18).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub id: u8,
    pub result: ContextResult,
    /// The accepted syntax, or any where it was refused.
    pub syntax: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContextResult {
    Acceptance,
    NoReason,
    ClassNotSupported,
    SyntaxesNotSupported,
    Other,
}

impl ContextResult {
    fn code(self) -> u8 {
        match self {
            Self::Acceptance => 0,
            Self::NoReason | Self::Other => 2,
            Self::ClassNotSupported => 3,
            Self::SyntaxesNotSupported => 4,
        }
    }
    fn of(code: u8) -> Self {
        match code {
            0 => Self::Acceptance,
            2 => Self::NoReason,
            3 => Self::ClassNotSupported,
            4 => Self::SyntaxesNotSupported,
            _ => Self::Other,
        }
    }
}

/// Result, source and reason of A-ASSOCIATE-RJ (PS3.8 table 9-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejection {
    CallingAeNotRecognised,
    CalledAeNotRecognised,
    ProtocolVersion,
    LocalLimit,
}

impl Rejection {
    pub fn body(self) -> [u8; 4] {
        match self {
            Self::CallingAeNotRecognised => [0, 1, 1, 3],
            Self::CalledAeNotRecognised => [0, 1, 1, 7],
            Self::ProtocolVersion => [0, 1, 2, 2],
            Self::LocalLimit => [0, 2, 3, 2],
        }
    }
}

/// Reads items of type, reserved byte, 16-bit length, value.
fn items(mut bytes: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), AssociateError>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let Some((&[kind, _, high, low], rest)) = bytes.split_first_chunk::<4>() else {
            bytes = &[];
            return Some(Err(AssociateError::Truncated));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((value, later)) = rest.split_at_checked(length) else {
            bytes = &[];
            return Some(Err(AssociateError::Truncated));
        };
        bytes = later;
        Some(Ok((kind, value)))
    })
}

fn uid_text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned()
}

fn title(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned()
}

fn user_pdu_length(value: &[u8]) -> Result<Option<u32>, AssociateError> {
    for item in items(value) {
        if let (0x51, &[a, b, c, d]) = item? {
            return Ok(Some(u32::from_be_bytes([a, b, c, d])));
        }
    }
    Ok(None)
}

impl Request {
    pub fn read(body: &[u8]) -> Result<Self, AssociateError> {
        let (fixed, variable) = body.split_at_checked(FIXED).ok_or(AssociateError::Truncated)?;
        let &[high, low, ..] = fixed else { return Err(AssociateError::Truncated) };
        let mut request = Request {
            protocol_version: u16::from_be_bytes([high, low]),
            called_ae: title(fixed.get(4..20).unwrap_or_default()),
            calling_ae: title(fixed.get(20..36).unwrap_or_default()),
            contexts: Vec::new(),
            pdu_length: 0,
        };
        for item in items(variable) {
            match item? {
                (0x20, value) => {
                    if request.contexts.len() == MOST_CONTEXTS {
                        return Err(AssociateError::TooManyContexts);
                    }
                    request.contexts.push(Proposed::read(value)?);
                }
                (0x50, value) => request.pdu_length = user_pdu_length(value)?.unwrap_or(0),
                _ => {}
            }
        }
        Ok(request)
    }

    pub fn body(&self) -> Vec<u8> {
        let mut bytes = fixed_part(&self.called_ae, &self.calling_ae);
        for context in &self.contexts {
            let mut value = vec![context.id, 0, 0, 0];
            put_item(&mut value, 0x30, context.class.as_bytes());
            for syntax in &context.syntaxes {
                put_item(&mut value, 0x40, syntax.as_bytes());
            }
            put_item(&mut bytes, 0x20, &value);
        }
        put_user_part(&mut bytes, self.pdu_length);
        bytes
    }
}

impl Proposed {
    fn read(value: &[u8]) -> Result<Self, AssociateError> {
        let Some((&[id, ..], rest)) = value.split_first_chunk::<4>() else {
            return Err(AssociateError::Truncated);
        };
        let mut context = Proposed { id, class: String::new(), syntaxes: Vec::new() };
        for item in items(rest) {
            match item? {
                (0x30, value) => context.class = uid_text(value),
                (0x40, value) => context.syntaxes.push(uid_text(value)),
                _ => {}
            }
        }
        Ok(context)
    }
}

/// The body of an acceptance.
pub(super) fn acceptance(request: &Request, answers: &[Answered], pdu_length: u32) -> Vec<u8> {
    // The titles are sent back as they came (PS3.8 table 9-17).
    let mut bytes = fixed_part(&request.called_ae, &request.calling_ae);
    for answer in answers {
        let mut value = vec![answer.id, 0, answer.result.code(), 0];
        put_item(&mut value, 0x40, answer.syntax.as_bytes());
        put_item(&mut bytes, 0x21, &value);
    }
    put_user_part(&mut bytes, pdu_length);
    bytes
}

/// Reads an acceptance: the answers, and the longest P-DATA-TF that the peer takes.
pub(super) fn read_acceptance(body: &[u8]) -> Result<(Vec<Answered>, u32), AssociateError> {
    let variable = body.get(FIXED..).ok_or(AssociateError::Truncated)?;
    let (mut answers, mut pdu_length) = (Vec::new(), 0);
    for item in items(variable) {
        match item? {
            (0x21, value) => {
                let Some((&[id, _, result, _], rest)) = value.split_first_chunk::<4>() else {
                    return Err(AssociateError::Truncated);
                };
                let mut syntax = String::new();
                // The syntax of a refused context says nothing and may be broken.
                if let Some(Ok((0x40, value))) = items(rest).next() {
                    syntax = uid_text(value);
                }
                answers.push(Answered { id, result: ContextResult::of(result), syntax });
            }
            (0x50, value) => pdu_length = user_pdu_length(value)?.unwrap_or(0),
            _ => {}
        }
    }
    Ok((answers, pdu_length))
}

fn fixed_part(called_ae: &str, calling_ae: &str) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 0];
    for name in [called_ae, calling_ae] {
        bytes.extend(name.bytes().chain(std::iter::repeat(b' ')).take(16));
    }
    bytes.extend_from_slice(&[0; 32]);
    put_item(&mut bytes, 0x10, APPLICATION_CONTEXT.as_bytes());
    bytes
}

fn put_user_part(bytes: &mut Vec<u8>, pdu_length: u32) {
    let mut user = Vec::new();
    put_item(&mut user, 0x51, &pdu_length.to_be_bytes());
    put_item(&mut user, 0x52, IMPLEMENTATION_CLASS_UID.as_bytes());
    put_item(&mut user, 0x55, IMPLEMENTATION_VERSION.as_bytes());
    put_item(bytes, 0x50, &user);
}

fn put_item(bytes: &mut Vec<u8>, kind: u8, value: &[u8]) {
    bytes.extend_from_slice(&[kind, 0]);
    bytes.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request() -> Request {
        Request {
            protocol_version: 1,
            called_ae: "DOUBLEREAD".into(),
            calling_ae: "VAN1".into(),
            contexts: vec![Proposed {
                id: 1,
                class: "1.2.840.10008.1.1".into(),
                syntaxes: vec!["1.2.840.10008.1.2".into()],
            }],
            pdu_length: 16_384,
        }
    }

    #[test]
    fn a_request_and_its_acceptance_read_back_as_written() {
        assert_eq!(Request::read(&request().body()), Ok(request()));
        let answers = vec![
            Answered { id: 1, result: ContextResult::Acceptance, syntax: "1.2.840.10008.1.2".into() },
            Answered { id: 3, result: ContextResult::ClassNotSupported, syntax: "1.2".into() },
        ];
        assert_eq!(read_acceptance(&acceptance(&request(), &answers, 0)), Ok((answers, 0)));
    }

    #[test]
    fn our_implementation_class_is_a_uid() {
        assert!(IMPLEMENTATION_CLASS_UID.parse::<crate::vocab::SopClassUid>().is_ok());
    }

    #[test]
    fn a_request_cut_anywhere_is_refused_or_read_but_never_panics() {
        let body = request().body();
        for end in 0..body.len() {
            let _ = Request::read(&body[..end]);
        }
        assert_eq!(Request::read(&body[..body.len() - 1]), Err(AssociateError::Truncated));
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Request::read(&bytes);
            let _ = read_acceptance(&bytes);
        }
    }
}
