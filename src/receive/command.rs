//! Command sets (PS3.7 section 6.3): implicit little endian, group 0000 only.
//!
//! In: the bounded bytes of a command. Out: the few attributes that we act on. Used by both
//! sides.

/// C-STORE-RQ, C-ECHO-RQ and C-CANCEL-RQ (PS3.7 annex E.1).
pub(super) const C_STORE_RQ: u16 = 0x0001;
pub(super) const C_ECHO_RQ: u16 = 0x0030;
pub(super) const C_CANCEL_RQ: u16 = 0x0FFF;
/// Set in responses.
pub(super) const RESPONSE: u16 = 0x8000;
/// Command Data Set Type (0000,0800) when no data set follows.
const NO_DATA_SET: u16 = 0x0101;
/// Most elements of a command set that we look at.
const MOST_ELEMENTS: usize = 64;
/// Error Comment (0000,0902) is LO: 64 characters.
const MOST_COMMENT: usize = 64;

/// Why bytes are no command set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// An element runs past the end, or there are too many.
    #[error("the command set is not well formed")]
    Malformed,
    /// No Command Field (0000,0100).
    #[error("the command set has no command field")]
    NoField,
}

/// What a command set says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// Command Field (0000,0100).
    pub field: u16,
    /// Message ID (0000,0110), or Message ID Being Responded To (0000,0120).
    pub message_id: Option<u16>,
    /// Whether a data set follows.
    pub has_data_set: bool,
    /// Affected (0000,0002) or Requested (0000,0003) SOP Class UID, as sent.
    pub class: String,
    /// Affected (0000,1000) or Requested (0000,1001) SOP Instance UID, as sent.
    pub instance: String,
    /// Status (0000,0900), in responses.
    pub status: Option<u16>,
    /// Error Comment (0000,0902), in responses.
    pub comment: String,
}

impl Command {
    pub fn read(mut bytes: &[u8]) -> Result<Self, CommandError> {
        let mut command = Command::default();
        let mut field = None;
        let mut elements = 0;
        while !bytes.is_empty() {
            let (&[a, b, c, d, e, f, g, h], rest) =
                bytes.split_first_chunk::<8>().ok_or(CommandError::Malformed)?;
            let (group, element) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
            let length =
                usize::try_from(u32::from_le_bytes([e, f, g, h])).map_err(|_| CommandError::Malformed)?;
            let (value, later) = rest.split_at_checked(length).ok_or(CommandError::Malformed)?;
            bytes = later;
            elements += 1;
            if group != 0 || elements > MOST_ELEMENTS {
                return Err(CommandError::Malformed);
            }
            let number = || match *value {
                [low, high] => Some(u16::from_le_bytes([low, high])),
                _ => None,
            };
            let text = || String::from_utf8_lossy(value).trim_matches(['\0', ' ']).to_owned();
            match element {
                0x0002 | 0x0003 => command.class = text(),
                0x0100 => field = number(),
                0x0110 | 0x0120 => command.message_id = number(),
                0x0800 => command.has_data_set = number() != Some(NO_DATA_SET),
                0x0900 => command.status = number(),
                0x0902 => command.comment = text(),
                0x1000 | 0x1001 => command.instance = text(),
                _ => {}
            }
        }
        command.field = field.ok_or(CommandError::NoField)?;
        Ok(command)
    }

    /// The bytes on the wire, with elements in ascending order and a group length first.
    pub fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        if !self.class.is_empty() {
            put_text(&mut body, 0x0002, &self.class, b'\0');
        }
        put(&mut body, 0x0100, &self.field.to_le_bytes());
        let message_id = self.message_id.unwrap_or(0);
        let is_response = self.field & RESPONSE != 0;
        put(&mut body, if is_response { 0x0120 } else { 0x0110 }, &message_id.to_le_bytes());
        if self.field == C_STORE_RQ {
            // Priority (0000,0700): medium.
            put(&mut body, 0x0700, &0_u16.to_le_bytes());
        }
        let data_set_type = if self.has_data_set { 0x0001 } else { NO_DATA_SET };
        put(&mut body, 0x0800, &data_set_type.to_le_bytes());
        if let Some(status) = self.status {
            put(&mut body, 0x0900, &status.to_le_bytes());
        }
        if !self.comment.is_empty() {
            let comment: String = self
                .comment
                .chars()
                .filter(|c| c.is_ascii_graphic() || *c == ' ')
                .take(MOST_COMMENT)
                .collect();
            put_text(&mut body, 0x0902, &comment, b' ');
        }
        if !self.instance.is_empty() {
            put_text(&mut body, 0x1000, &self.instance, b'\0');
        }
        let mut bytes = Vec::with_capacity(body.len() + 12);
        put(&mut bytes, 0x0000, &u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, element: u16, value: &[u8]) {
    bytes.extend_from_slice(&0_u16.to_le_bytes());
    bytes.extend_from_slice(&element.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(value);
}

fn put_text(bytes: &mut Vec<u8>, element: u16, text: &str, pad: u8) {
    let mut value = text.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(pad);
    }
    put(bytes, element, &value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_reads_back_as_written() {
        let request = Command {
            field: C_STORE_RQ,
            message_id: Some(7),
            has_data_set: true,
            class: "1.2.840.10008.5.1.4.1.1.1".into(),
            instance: "1.2.3".into(),
            ..Command::default()
        };
        assert_eq!(Command::read(&request.bytes()), Ok(request.clone()));
        let response = Command {
            field: C_STORE_RQ | RESPONSE,
            has_data_set: false,
            status: Some(0xA700),
            comment: "no space".into(),
            ..request
        };
        assert_eq!(Command::read(&response.bytes()), Ok(response));
    }

    #[test]
    fn a_command_cut_short_or_of_another_group_is_refused() {
        let bytes = Command { field: C_ECHO_RQ, message_id: Some(1), ..Command::default() }.bytes();
        assert_eq!(Command::read(&bytes[..bytes.len() - 1]), Err(CommandError::Malformed));
        assert_eq!(Command::read(&[]), Err(CommandError::NoField));
        assert_eq!(Command::read(&[8, 0, 0x16, 0, 0, 0, 0, 0]), Err(CommandError::Malformed));
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Command::read(&bytes);
        }
    }
}
