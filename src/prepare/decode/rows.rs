//! The stored values of a frame, row by row, whether they are held in memory or still in the file.
//!
//! In: a [`Frame`]. Out: its rows, top to bottom, as patterns of Bits Stored. Must never hold more of a file than a
//! few rows.

use std::ops::Range;

use super::super::attributes::PixelLayout;
use super::super::in_file::{Band, InFile};
use super::raw::Order;
use super::{DecodeError, Frame, Samples};

/// Bytes of a file that are read at once: few calls to the disk, and little memory.
const BAND_BYTES: usize = 1 << 20;

/// Where the values of a frame are.
#[derive(Debug)]
pub(in super::super) enum Pixels<'a> {
    Held(Samples),
    InFile(RowsInFile<'a>),
}

/// Native grey values of 16 bits allocated, in the file.
#[derive(Debug)]
pub(in super::super) struct RowsInFile<'a> {
    value: InFile<'a>,
    /// Bytes of the value before the frame.
    start: u64,
    big_endian: bool,
    shift: u32,
    mask: u16,
}

impl<'a> RowsInFile<'a> {
    /// Frame `frame` of native pixel data; `None` where they are not grey of 16 bits allocated.
    pub(super) fn new(
        value: InFile<'a>,
        layout: &PixelLayout,
        frame: u32,
        order: Order,
    ) -> Result<Option<Self>, DecodeError> {
        if layout.bits_allocated != 16 || !layout.is_grey() {
            return Ok(None);
        }
        let size = u64::from(layout.rows) * u64::from(layout.columns) * 2;
        let start = u64::from(frame).checked_mul(size).ok_or(DecodeError::TooShort)?;
        if start.checked_add(size).is_none_or(|end| end > value.length) {
            return Err(DecodeError::TooShort);
        }
        let shift = (layout.high_bit + 1).saturating_sub(layout.bits_stored);
        let mask = ((1_u32 << layout.bits_stored) - 1) as u16;
        Ok(Some(Self { value, start, big_endian: order.big_endian, shift, mask }))
    }

    fn each_row(
        &self,
        columns: usize,
        rows: Range<usize>,
        mut see: impl FnMut(usize, &[u16]),
    ) -> Result<(), DecodeError> {
        let row_bytes = columns * 2;
        let rows_at_once = (BAND_BYTES / row_bytes.max(1)).clamp(1, rows.len().max(1));
        let mut band = Band::new(self.value, rows_at_once * row_bytes);
        let mut row = vec![0_u16; columns];
        let mut next = rows.start;
        while next < rows.end {
            let count = rows_at_once.min(rows.end - next);
            let bytes = band
                .read(self.start + next as u64 * row_bytes as u64, count * row_bytes)
                .map_err(|error| DecodeError::Unreadable(error.kind()))?;
            for (number, bytes) in (next..).zip(bytes.chunks_exact(row_bytes.max(1))) {
                let (pairs, _) = bytes.as_chunks::<2>();
                match self.big_endian {
                    false => row.iter_mut().zip(pairs).for_each(|(to, pair)| {
                        *to = u16::from_le_bytes(*pair) >> self.shift & self.mask;
                    }),
                    true => row.iter_mut().zip(pairs).for_each(|(to, pair)| {
                        *to = u16::from_be_bytes(*pair) >> self.shift & self.mask;
                    }),
                }
                see(number, &row);
            }
            next += count;
        }
        Ok(())
    }
}

impl Frame<'_> {
    /// Shows the rows of a range, top to bottom, each with its number.
    pub fn each_row(
        &self,
        rows: Range<usize>,
        mut see: impl FnMut(usize, &[u16]),
    ) -> Result<(), DecodeError> {
        let columns = (self.columns as usize).max(1);
        let rows = rows.start.min(self.rows as usize)..rows.end.min(self.rows as usize);
        match &self.pixels {
            Pixels::InFile(values) => values.each_row(columns, rows, see)?,
            Pixels::Held(Samples::U16(samples)) => {
                let held = samples.chunks_exact(columns).enumerate();
                held.take(rows.end).skip(rows.start).for_each(|(number, row)| see(number, row));
            }
            Pixels::Held(Samples::U8(samples)) => {
                let mut wide = vec![0_u16; columns];
                let held = samples.chunks_exact(columns).enumerate();
                for (number, row) in held.take(rows.end).skip(rows.start) {
                    wide.iter_mut().zip(row).for_each(|(to, from)| *to = u16::from(*from));
                    see(number, &wide);
                }
            }
        }
        Ok(())
    }

    /// All values at once.
    pub fn into_samples(self) -> Result<Samples, DecodeError> {
        let (columns, rows) = (self.columns as usize, self.rows as usize);
        match self.pixels {
            Pixels::Held(samples) => Ok(samples),
            Pixels::InFile(values) => {
                let mut samples = Vec::with_capacity(columns * rows);
                values.each_row(columns, 0..rows, |_, row| samples.extend_from_slice(row))?;
                Ok(Samples::U16(samples))
            }
        }
    }
}
