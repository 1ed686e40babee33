//! Lossless process 14, any predictor (ISO/IEC 10918-1 Annex H).

use super::super::DecodeError;
use super::bits::Bits;
use super::{FrameHeader, Scan, Tables, bad};

/// Samples, interleaved by pixel.
pub(super) struct Picture {
    samples: Vec<u16>,
}

impl Picture {
    pub fn new(header: &FrameHeader) -> Self {
        Self { samples: vec![0; header.rows * header.columns * header.components.len()] }
    }

    pub fn into_samples(self) -> Vec<u16> {
        self.samples
    }

    /// Decodes one scan; returns the bytes that it took.
    pub fn decode_scan(
        &mut self,
        header: &FrameHeader,
        scan: &Scan,
        tables: &Tables,
        entropy: &[u8],
    ) -> Result<usize, DecodeError> {
        if header.components.iter().any(|c| c.horizontal != 1 || c.vertical != 1) {
            return Err(bad("lossless with subsampled components"));
        }
        let shift = u32::from(scan.low);
        let Some(bits_left) = header.precision.checked_sub(shift + 1) else {
            return Err(bad("point transform of more bits than there are"));
        };
        let middle = 1_i32 << bits_left;
        let mut chosen = Vec::new();
        for (place, table, _) in &scan.components {
            let table = tables.dc.get(*table).and_then(Option::as_ref);
            chosen.push((*place, table.ok_or_else(|| bad("a Huffman table is missing"))?));
        }
        let interval_rows = match tables.restart_interval {
            0 => usize::MAX,
            interval if interval % header.columns == 0 => interval / header.columns,
            _ => return Err(bad("restarts within a row")),
        };
        let predict: fn(i32, i32, i32) -> i32 = match scan.start {
            1 => |a, _, _| a,
            2 => |_, b, _| b,
            3 => |_, _, c| c,
            4 => |a, b, c| a + b - c,
            5 => |a, b, c| a + ((b - c) >> 1),
            6 => |a, b, c| b + ((a - c) >> 1),
            7 => |a, b, _| (a + b) >> 1,
            _ => return Err(bad("an unknown predictor")),
        };
        let mut bits = Bits::new(entropy);
        let count = chosen.len();
        let mut above = vec![0_i32; header.columns * count];
        let mut row = vec![0_i32; header.columns * count];
        let components = header.components.len();
        for (number, out) in self.samples.chunks_exact_mut(header.columns * components).enumerate() {
            let since_restart = number % interval_rows;
            if number > 0 && since_restart == 0 && !bits.restart() {
                return Err(bad("a restart marker is missing"));
            }
            let first = since_restart == 0;
            match chosen.as_slice() {
                // The common case by itself: one component, first-order prediction.
                [(_, table)] if scan.start == 1 && !first => {
                    let mut left = above.first().copied().unwrap_or(0);
                    for to in &mut row {
                        left = (left + difference(&mut bits, table)?) & 0xFFFF;
                        *to = left;
                    }
                }
                _ => {
                    for x in 0..header.columns {
                        for (turn, (_, table)) in chosen.iter().enumerate() {
                            let at = x * count + turn;
                            let prediction = match (first, x) {
                                (true, 0) => middle,
                                (true, _) => row[at - count],
                                (false, 0) => above[at],
                                (false, _) => predict(row[at - count], above[at], above[at - count]),
                            };
                            row[at] = (prediction + difference(&mut bits, table)?) & 0xFFFF;
                        }
                    }
                }
            }
            if bits.is_exhausted() {
                return Err(DecodeError::TooShort);
            }
            for (turn, (place, _)) in chosen.iter().enumerate() {
                let from = row.iter().skip(turn).step_by(count);
                let to = out.iter_mut().skip(*place).step_by(components);
                to.zip(from).for_each(|(to, from)| *to = (*from << shift) as u16);
            }
            std::mem::swap(&mut above, &mut row);
        }
        Ok(bits.end())
    }
}

/// A prediction difference (table H.2): category 16 is 32768 without further bits.
#[inline(always)]
fn difference(bits: &mut Bits<'_>, table: &super::bits::HuffmanTable) -> Result<i32, DecodeError> {
    match bits.symbol(table)? {
        16 => Ok(32_768),
        size @ 0..=15 => Ok(bits.signed(u32::from(size))),
        _ => Err(bad("a difference of more than 16 bits")),
    }
}
