//! Protocol data units on the wire (PS3.8 section 9.3): framing only.
//!
//! In: bytes of a connection, as they arrive. Out: [`Frame`]s. Every length is checked before
//! anything that it speaks of is read; fragments of data sets are named by where they lie in
//! the caller's buffer, never copied.

use std::ops::Range;

/// Types of PDU (PS3.8 section 9.3.1).
pub(super) const ASSOCIATE_RQ: u8 = 0x01;
pub(super) const ASSOCIATE_AC: u8 = 0x02;
pub(super) const ASSOCIATE_RJ: u8 = 0x03;
pub(super) const P_DATA: u8 = 0x04;
pub(super) const RELEASE_RQ: u8 = 0x05;
pub(super) const RELEASE_RP: u8 = 0x06;
pub(super) const ABORT: u8 = 0x07;

/// Bytes of a PDU header, and of the header of a presentation data value.
pub(super) const HEADER: usize = 6;

/// Slack over the negotiated length: some peers count the PDU header in, some do not.
const SLACK: u32 = 64;

/// Why a peer's bytes are no PDU that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not one of the seven types.
    #[error("no such PDU type")]
    UnknownType,
    /// The length is not one that this type may have here.
    #[error("PDU of {length} bytes")]
    Length {
        /// What the header said.
        length: u32,
    },
    /// The presentation data values do not add up to their PDU.
    #[error("presentation data value of {length} bytes does not fit its PDU")]
    ValueLength {
        /// What the header said.
        length: u32,
    },
}

/// A piece of what a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// All bytes are taken; read more.
    NeedMore,
    /// Bytes of a message.
    Fragment(Fragment),
    /// A whole PDU other than P-DATA-TF, without its header.
    Pdu(u8, Vec<u8>),
}

/// Bytes of a command or data set, where they lie in the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub context: u8,
    pub is_command: bool,
    pub range: Range<usize>,
    /// The command or data set ends here.
    pub ends: bool,
}

#[derive(Debug)]
enum State {
    PduHeader,
    Body { kind: u8, left: usize, body: Vec<u8> },
    ValueHeader { pdu_left: u32 },
    Value { pdu_left: u32, value_left: u32, context: u8, control: u8 },
}

/// The framing of one direction of a connection.
#[derive(Debug)]
pub(super) struct Frames {
    state: State,
    head: [u8; HEADER],
    head_length: usize,
    pdu_length: u32,
    associate_length: u32,
}

impl Frames {
    pub fn new(pdu_length: u32, associate_length: u32) -> Self {
        Self { state: State::PduHeader, head: [0; HEADER], head_length: 0, pdu_length, associate_length }
    }

    /// Whether a PDU has begun and not ended.
    pub fn inside_pdu(&self) -> bool {
        self.head_length > 0 || !matches!(self.state, State::PduHeader)
    }

    /// Takes bytes of `buffer` from `at` on, and moves `at`.
    pub fn next(&mut self, buffer: &[u8], at: &mut usize) -> Result<Frame, FrameError> {
        loop {
            match &mut self.state {
                State::PduHeader => {
                    let Some([kind, _, a, b, c, d]) = self.take_head(buffer, at) else {
                        return Ok(Frame::NeedMore);
                    };
                    self.begin_pdu(kind, u32::from_be_bytes([a, b, c, d]))?;
                }
                State::Body { kind, left, body } => {
                    let available = buffer.get(*at..).unwrap_or_default();
                    let now = available.get(..*left).unwrap_or(available);
                    body.extend_from_slice(now);
                    *at += now.len();
                    *left -= now.len();
                    if *left > 0 {
                        return Ok(Frame::NeedMore);
                    }
                    let pdu = Frame::Pdu(*kind, std::mem::take(body));
                    self.state = State::PduHeader;
                    return Ok(pdu);
                }
                State::ValueHeader { pdu_left } => {
                    let pdu_left = *pdu_left;
                    let Some([a, b, c, d, context, control]) = self.take_head(buffer, at) else {
                        return Ok(Frame::NeedMore);
                    };
                    // The length counts the context and the control byte (PS3.8 section 9.3.5.1).
                    let length = u32::from_be_bytes([a, b, c, d]);
                    let rest = pdu_left.checked_sub(4).and_then(|left| left.checked_sub(length));
                    let (Some(rest), Some(value_left)) = (rest, length.checked_sub(2)) else {
                        return Err(FrameError::ValueLength { length });
                    };
                    self.state = State::Value { pdu_left: rest, value_left, context, control };
                    if value_left == 0 {
                        return self.fragment(*at..*at);
                    }
                }
                State::Value { value_left, .. } => {
                    let available = buffer.len().saturating_sub(*at);
                    let take = usize::try_from(*value_left).unwrap_or(usize::MAX).min(available);
                    if take == 0 {
                        return Ok(Frame::NeedMore);
                    }
                    *value_left = value_left.saturating_sub(u32::try_from(take).unwrap_or(u32::MAX));
                    let range = *at..*at + take;
                    *at = range.end;
                    return self.fragment(range);
                }
            }
        }
    }

    /// Names the bytes in `range`, and moves on if their value ends with them.
    fn fragment(&mut self, range: Range<usize>) -> Result<Frame, FrameError> {
        let State::Value { pdu_left, value_left, context, control } = self.state else {
            return Ok(Frame::NeedMore);
        };
        let value_ends = value_left == 0;
        if value_ends {
            self.state = match pdu_left {
                0 => State::PduHeader,
                1..=5 => return Err(FrameError::ValueLength { length: pdu_left }),
                _ => State::ValueHeader { pdu_left },
            };
        }
        Ok(Frame::Fragment(Fragment {
            context,
            // Message control header (PS3.8 annex E.2).
            is_command: control & 0x01 != 0,
            range,
            ends: value_ends && control & 0x02 != 0,
        }))
    }

    fn begin_pdu(&mut self, kind: u8, length: u32) -> Result<(), FrameError> {
        let fits = match kind {
            ASSOCIATE_RQ | ASSOCIATE_AC => (68..=self.associate_length).contains(&length),
            // Some peers pad these four-byte PDUs.
            ASSOCIATE_RJ | RELEASE_RQ | RELEASE_RP | ABORT => (4..=SLACK).contains(&length),
            P_DATA => (6..=self.pdu_length.saturating_add(SLACK)).contains(&length),
            _ => return Err(FrameError::UnknownType),
        };
        if !fits {
            return Err(FrameError::Length { length });
        }
        self.state = if kind == P_DATA {
            State::ValueHeader { pdu_left: length }
        } else {
            let left = usize::try_from(length).map_err(|_| FrameError::Length { length })?;
            State::Body { kind, left, body: Vec::new() }
        };
        Ok(())
    }

    /// Gathers six header bytes, which may lie in two reads.
    fn take_head(&mut self, buffer: &[u8], at: &mut usize) -> Option<[u8; HEADER]> {
        let available = buffer.get(*at..).unwrap_or_default();
        let room = self.head.get_mut(self.head_length..).unwrap_or_default();
        let take = room.len().min(available.len());
        for (to, from) in room.iter_mut().zip(available) {
            *to = *from;
        }
        *at += take;
        self.head_length += take;
        if self.head_length < HEADER {
            return None;
        }
        self.head_length = 0;
        Some(self.head)
    }
}

/// A PDU other than P-DATA-TF.
pub(super) fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(&[kind, 0]);
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The twelve bytes before the last or only fragment of `length` bytes.
pub(super) fn fragment_head(context: u8, is_command: bool, ends: bool, length: u32) -> [u8; 2 * HEADER] {
    let [a, b, c, d] = length.saturating_add(6).to_be_bytes();
    let [e, f, g, h] = length.saturating_add(2).to_be_bytes();
    let control = u8::from(is_command) | if ends { 2 } else { 0 };
    [P_DATA, 0, a, b, c, d, e, f, g, h, context, control]
}

/// A command as P-DATA-TF, cut so that no PDU is longer than the peer takes.
pub(super) fn command_pdus(context: u8, command: &[u8], peer_pdu_length: u32) -> Vec<u8> {
    let room = usize::try_from(peer_pdu_length.saturating_sub(6)).unwrap_or(usize::MAX).max(1);
    let mut bytes = Vec::with_capacity(command.len() + 2 * HEADER);
    let mut pieces = command.chunks(room).peekable();
    while let Some(piece) = pieces.next() {
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&fragment_head(context, true, pieces.peek().is_none(), length));
        bytes.extend_from_slice(piece);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames() -> Frames {
        Frames::new(16_384, 65_536)
    }

    #[test]
    fn lengths_are_refused_before_anything_is_read() {
        for (head, error) in [
            ([4, 0, 0xFF, 0xFF, 0xFF, 0xFF], FrameError::Length { length: u32::MAX }),
            ([4, 0, 0, 0, 0, 0], FrameError::Length { length: 0 }),
            ([4, 0, 0, 0, 0, 1], FrameError::Length { length: 1 }),
            ([1, 0, 0xFF, 0xFF, 0xFF, 0xFF], FrameError::Length { length: u32::MAX }),
            ([7, 0, 0x7F, 0, 0, 0], FrameError::Length { length: 0x7F00_0000 }),
            (*b"GET / ", FrameError::UnknownType),
            ([0x16, 3, 1, 2, 0, 1], FrameError::UnknownType),
        ] {
            assert_eq!(frames().next(&head, &mut 0), Err(error));
        }
    }

    #[test]
    fn a_value_that_does_not_fit_its_pdu_is_refused() {
        for value_length in [0_u32, 1, 100, u32::MAX] {
            let mut bytes = vec![4, 0, 0, 0, 0, 10];
            bytes.extend_from_slice(&value_length.to_be_bytes());
            bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0]);
            let mut frames = frames();
            let error = frames.next(&bytes, &mut 0);
            assert_eq!(error, Err(FrameError::ValueLength { length: value_length }));
        }
    }

    fn gather(bytes: &[u8], step: usize) -> (Vec<u8>, usize) {
        let (mut frames, mut found, mut ends) = (frames(), Vec::new(), 0);
        for piece in bytes.chunks(step) {
            let mut at = 0;
            loop {
                match frames.next(piece, &mut at).unwrap() {
                    Frame::NeedMore => break,
                    Frame::Fragment(f) => {
                        found.extend_from_slice(&piece[f.range]);
                        ends += usize::from(f.ends);
                    }
                    Frame::Pdu(..) => unreachable!(),
                }
            }
            assert_eq!(at, piece.len());
        }
        assert!(!frames.inside_pdu());
        (found, ends)
    }

    proptest! {
        #[test]
        fn a_command_reads_back_however_it_is_cut(
            command in proptest::collection::vec(any::<u8>(), 1..2_000), peer in 0_u32..3_000, step in 1_usize..700
        ) {
            let bytes = command_pdus(3, &command, peer);
            prop_assert_eq!(gather(&bytes, step), (command, 1));
        }

        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), step in 1_usize..50) {
            let mut frames = frames();
            'all: for piece in bytes.chunks(step) {
                let mut at = 0;
                loop {
                    match frames.next(piece, &mut at) {
                        Ok(Frame::NeedMore) => break,
                        Ok(_) => {}
                        Err(_) => break 'all,
                    }
                }
            }
        }
    }
}
