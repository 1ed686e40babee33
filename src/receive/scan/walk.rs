//! The state machine that walks a data set, element by element, piece by piece.
//!
//! In: bytes. Out: picked values, or an error. What is open (sequences, items, encapsulated
//! pixels) stands on an explicit stack of bounded height.

use super::header::{self, Encoding, Header, UNDEFINED};
use super::picked::{Picked, Place, Wanted};
use super::{Limits, ScanError, Tag};
use dicom_core::VR;

const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Holds items.
    Sequence(Tag),
    /// Holds elements.
    Item,
    /// Encapsulated pixels: holds items that are plain bytes (PS3.5 annex A.4).
    Fragments,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    kind: Kind,
    /// Ends at `bound`, rather than by a delimiter.
    defined: bool,
    /// Nothing inside may run past this offset.
    bound: u64,
    encoding: Encoding,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Header,
    Value { left: u64, wanted: Option<Wanted> },
}

pub(super) struct Walk {
    limits: Limits,
    encoding: Encoding,
    /// Bytes taken so far.
    offset: u64,
    stack: Vec<Level>,
    phase: Phase,
    head: [u8; 12],
    head_length: usize,
    picked: Picked,
}

impl Walk {
    pub fn new(encoding: Encoding, limits: Limits) -> Self {
        Self {
            limits,
            encoding,
            offset: 0,
            stack: Vec::new(),
            phase: Phase::Header,
            head: [0; 12],
            head_length: 0,
            picked: Picked::default(),
        }
    }

    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), ScanError> {
        if self.offset.saturating_add(bytes.len() as u64) > self.limits.total {
            return Err(ScanError::TooLong);
        }
        while !bytes.is_empty() {
            match self.phase {
                Phase::Header => {
                    if self.head_length == 0 {
                        self.close_ended_levels()?;
                    }
                    let need = if self.head_length < 8 { 8 } else { 12 };
                    let room = self.head.get_mut(self.head_length..need).unwrap_or_default();
                    let take = room.len().min(bytes.len());
                    let (now, later) = bytes.split_at(take);
                    room.get_mut(..take).unwrap_or_default().copy_from_slice(now);
                    bytes = later;
                    self.head_length += take;
                    self.offset += take as u64;
                    if self.head_length == need {
                        self.try_header()?;
                    }
                }
                Phase::Value { left, wanted } => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (now, later) = bytes.split_at(take);
                    if let Some(wanted) = wanted {
                        self.picked.append(wanted, now);
                    }
                    bytes = later;
                    self.offset += take as u64;
                    let left = left - take as u64;
                    self.phase = if left == 0 { Phase::Header } else { Phase::Value { left, wanted } };
                }
            }
        }
        Ok(())
    }

    pub fn picked(&self) -> &Picked {
        &self.picked
    }

    pub fn finish(mut self) -> Result<Picked, ScanError> {
        let truncated = ScanError::Truncated { offset: self.offset };
        if self.head_length > 0 || matches!(self.phase, Phase::Value { .. }) {
            return Err(truncated);
        }
        self.close_ended_levels()?;
        if !self.stack.is_empty() {
            return Err(truncated);
        }
        self.picked.check_identity()?;
        Ok(self.picked)
    }

    /// Leaves every level of defined length that ends here.
    fn close_ended_levels(&mut self) -> Result<(), ScanError> {
        while let Some(level) = self.stack.last() {
            if self.offset < level.bound {
                break;
            }
            if !level.defined {
                // The level around this one ends, but its delimiter has not come.
                return Err(ScanError::Truncated { offset: self.offset });
            }
            self.stack.pop();
        }
        Ok(())
    }

    fn try_header(&mut self) -> Result<(), ScanError> {
        let encoding = self.stack.last().map_or(self.encoding, |level| level.encoding);
        let bytes = self.head.get(..self.head_length).unwrap_or_default();
        let Some(header) = header::read(encoding, bytes)? else { return Ok(()) };
        self.head_length = 0;
        // What follows must fit into what is around it.
        let bound = self.stack.last().map_or(u64::MAX, |level| level.bound);
        if self.offset > bound {
            return Err(ScanError::LengthPastEnd { tag: header.tag });
        }
        match self.stack.last().map(|level| level.kind) {
            None | Some(Kind::Item) => self.element(header, encoding, bound),
            Some(Kind::Sequence(_)) => self.item(header, encoding, bound),
            Some(Kind::Fragments) => self.fragment(header, bound),
        }
    }

    fn element(&mut self, header: Header, encoding: Encoding, bound: u64) -> Result<(), ScanError> {
        let Header { tag, vr, length } = header;
        let Some(vr) = vr else {
            let ends_item = tag == header::ITEM_END && self.stack.last().is_some_and(|level| !level.defined);
            if !ends_item {
                return Err(self.out_of_place(tag));
            }
            self.stack.pop();
            return Ok(());
        };
        if tag.0 < 8 && tag.0 != 4 && tag.0 != 6 {
            return Err(ScanError::ForbiddenGroup { tag });
        }
        if length == UNDEFINED {
            let (kind, inner) = match vr {
                _ if tag == PIXEL_DATA => (Kind::Fragments, encoding),
                VR::SQ => (Kind::Sequence(tag), encoding),
                // PS3.5 section 6.2.2, note on UN of undefined length: implicit inside.
                VR::UN => (Kind::Sequence(tag), Encoding::ImplicitLittle),
                _ => return Err(ScanError::UndefinedLength { tag }),
            };
            if self.stack.is_empty() {
                self.picked.note_element(tag, 1)?;
            }
            return self.open(Level { kind, defined: false, bound, encoding: inner });
        }
        if self.stack.is_empty() {
            self.picked.note_element(tag, length)?;
        }
        if vr == VR::SQ {
            let end = self.end_of(tag, length, bound)?;
            return self.open(Level { kind: Kind::Sequence(tag), defined: true, bound: end, encoding });
        }
        let wanted = self.picked.want(self.place(), tag, vr, encoding == Encoding::ExplicitBig);
        self.value(tag, length, bound, wanted)
    }

    fn item(&mut self, header: Header, encoding: Encoding, bound: u64) -> Result<(), ScanError> {
        let Header { tag, length, .. } = header;
        match tag {
            header::ITEM if length == UNDEFINED => {
                self.begin_item();
                self.open(Level { kind: Kind::Item, defined: false, bound, encoding })
            }
            header::ITEM => {
                let end = self.end_of(tag, length, bound)?;
                self.begin_item();
                self.open(Level { kind: Kind::Item, defined: true, bound: end, encoding })
            }
            header::SEQUENCE_END if self.stack.last().is_some_and(|level| !level.defined) => {
                self.stack.pop();
                Ok(())
            }
            _ => Err(self.out_of_place(tag)),
        }
    }

    fn fragment(&mut self, header: Header, bound: u64) -> Result<(), ScanError> {
        let Header { tag, length, .. } = header;
        match tag {
            header::ITEM if length != UNDEFINED => self.value(tag, length, bound, None),
            header::SEQUENCE_END => {
                self.stack.pop();
                Ok(())
            }
            _ => Err(self.out_of_place(tag)),
        }
    }

    fn value(&mut self, tag: Tag, length: u32, bound: u64, wanted: Option<Wanted>) -> Result<(), ScanError> {
        self.end_of(tag, length, bound)?;
        if length > 0 {
            self.phase = Phase::Value { left: u64::from(length), wanted };
        }
        Ok(())
    }

    /// The offset at which `length` more bytes end, checked against everything around.
    fn end_of(&self, tag: Tag, length: u32, bound: u64) -> Result<u64, ScanError> {
        let length = u64::from(length);
        if length > self.limits.element_length {
            return Err(ScanError::ElementTooLong { tag });
        }
        let end = self.offset + length;
        if end > bound {
            return Err(ScanError::LengthPastEnd { tag });
        }
        if end > self.limits.total {
            return Err(ScanError::ElementTooLong { tag });
        }
        Ok(end)
    }

    fn open(&mut self, level: Level) -> Result<(), ScanError> {
        let sequences = self.stack.iter().filter(|level| level.kind != Kind::Item).count();
        if level.kind != Kind::Item && sequences >= self.limits.sequence_depth {
            return Err(ScanError::TooDeep { limit: self.limits.sequence_depth });
        }
        self.stack.push(level);
        Ok(())
    }

    /// Which data set an element belongs to, as far as values are wanted from it.
    fn place(&self) -> Place {
        let mut sequences = self.stack.iter().filter_map(|level| match level.kind {
            Kind::Sequence(tag) => Some(tag),
            Kind::Item | Kind::Fragments => None,
        });
        let path = (sequences.next(), sequences.next(), sequences.next());
        Place::of_path(path)
    }

    fn begin_item(&mut self) {
        let place = self.place();
        self.picked.begin_item(place);
    }

    fn out_of_place(&self, tag: Tag) -> ScanError {
        ScanError::OutOfPlace { tag, offset: self.offset }
    }
}
