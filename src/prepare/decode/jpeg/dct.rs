//! Sequential and progressive DCT processes (ISO/IEC 10918-1 Annexes F and G).

use super::super::DecodeError;
use super::bits::{Bits, HuffmanTable};
use super::{Component, FrameHeader, NATURAL, Process, Scan, Tables, bad, idct};

/// Coefficients of every block, component by component, each quantised still.
pub(super) struct Picture {
    planes: Vec<Plane>,
    horizontal_most: usize,
    vertical_most: usize,
}

struct Plane {
    /// Blocks in a row, padded to whole minimum coded units.
    stride: usize,
    /// Blocks that hold pixels, across and down.
    across: usize,
    down: usize,
    blocks: Vec<[i16; 64]>,
}

/// What a scan carries from block to block.
struct State {
    predictions: Vec<i32>,
    end_of_band_run: u32,
}

impl Picture {
    pub fn new(header: &FrameHeader) -> Result<Self, DecodeError> {
        let most = |side: fn(&Component) -> usize| header.components.iter().map(side).max().unwrap_or(1);
        let (horizontal_most, vertical_most) = (most(|c| c.horizontal), most(|c| c.vertical));
        let planes = header
            .components
            .iter()
            .map(|c| {
                let units_across = header.columns.div_ceil(8 * horizontal_most);
                let units_down = header.rows.div_ceil(8 * vertical_most);
                let stride = units_across * c.horizontal;
                Plane {
                    stride,
                    across: (header.columns * c.horizontal).div_ceil(8 * horizontal_most),
                    down: (header.rows * c.vertical).div_ceil(8 * vertical_most),
                    blocks: vec![[0; 64]; stride * units_down * c.vertical],
                }
            })
            .collect();
        Ok(Self { planes, horizontal_most, vertical_most })
    }

    /// Decodes one scan; returns the bytes that it took.
    pub fn decode_scan(
        &mut self,
        header: &FrameHeader,
        scan: &Scan,
        tables: &Tables,
        entropy: &[u8],
    ) -> Result<usize, DecodeError> {
        // A sequential scan is always whole: senders write nonsense into its spectral end.
        let whole = header.process == Process::Sequential;
        let (start, end) = if whole { (0, 63) } else { (scan.start, scan.end) };
        let mixed = start == 0 && end > 0 && !whole;
        if end > 63 || start > end || scan.low > 13 || mixed || (start > 0 && scan.components.len() != 1) {
            return Err(bad("a progressive scan of an impossible band"));
        }
        let step = Step {
            whole,
            start,
            end,
            low: if whole { 0 } else { scan.low },
            refine: !whole && scan.high > 0,
        };
        let mut bits = Bits::new(entropy);
        let mut state = State { predictions: vec![0; self.planes.len()], end_of_band_run: 0 };
        let interleaved = scan.components.len() > 1;
        let (across, down) = match scan.components.as_slice() {
            [(place, _, _)] => self.planes.get(*place).map_or((0, 0), |plane| (plane.across, plane.down)),
            _ => (
                header.columns.div_ceil(8 * self.horizontal_most),
                header.rows.div_ceil(8 * self.vertical_most),
            ),
        };
        let mut units = 0;
        for unit_y in 0..down {
            for unit_x in 0..across {
                if tables.restart_interval > 0 && units > 0 && units % tables.restart_interval == 0 {
                    if !bits.restart() {
                        return Err(bad("a restart marker is missing"));
                    }
                    state.predictions.iter_mut().for_each(|p| *p = 0);
                    state.end_of_band_run = 0;
                }
                units += 1;
                for (place, dc, ac) in &scan.components {
                    let (Some(component), Some(plane)) =
                        (header.components.get(*place), self.planes.get_mut(*place))
                    else {
                        return Err(bad("a scan of a component that the frame does not have"));
                    };
                    let (wide, high) =
                        if interleaved { (component.horizontal, component.vertical) } else { (1, 1) };
                    let dc = tables.dc.get(*dc).and_then(Option::as_ref);
                    let ac = tables.ac.get(*ac).and_then(Option::as_ref);
                    let prediction = state.predictions.get_mut(*place);
                    let prediction = prediction.ok_or_else(|| bad("a component without prediction"))?;
                    for block_y in 0..high {
                        for block_x in 0..wide {
                            let at = (unit_y * high + block_y) * plane.stride + unit_x * wide + block_x;
                            let block = plane.blocks.get_mut(at).ok_or_else(|| bad("a block too many"))?;
                            step.block(block, &mut bits, (dc, ac), prediction, &mut state.end_of_band_run)?;
                        }
                    }
                }
            }
            if bits.is_exhausted() {
                return Err(DecodeError::TooShort);
            }
        }
        Ok(bits.end())
    }

    /// Dequantises, transforms back and joins the components, the smaller ones stretched by repetition.
    pub fn into_samples(self, header: &FrameHeader, tables: &Tables) -> Result<Vec<u16>, DecodeError> {
        let count = header.components.len();
        let mut samples = vec![0_u16; header.rows * header.columns * count];
        let middle = (1_u32 << (header.precision - 1)) as f32;
        let highest = ((1_u32 << header.precision) - 1) as f32;
        for (place, (component, plane)) in header.components.iter().zip(&self.planes).enumerate() {
            let quantisation = tables.quantisation.get(component.quantisation).and_then(Option::as_ref);
            let scaled = idct::scaled(quantisation.ok_or_else(|| bad("a quantisation table is missing"))?);
            let width = plane.stride * 8;
            let mut strip = vec![0_u16; width * 8];
            let (per_x, per_y) =
                (self.horizontal_most / component.horizontal, self.vertical_most / component.vertical);
            let (per_x, per_y) = (per_x.max(1), per_y.max(1));
            for (strip_y, blocks) in plane.blocks.chunks_exact(plane.stride).enumerate() {
                for (block_x, block) in blocks.iter().enumerate() {
                    let values = idct::inverse(block, &scaled);
                    for (y, row) in values.chunks_exact(8).enumerate() {
                        let from = y * width + block_x * 8;
                        let to = strip.get_mut(from..from + 8).unwrap_or_default();
                        for (to, value) in to.iter_mut().zip(row) {
                            // Half up; held at the ends of the precision.
                            *to = (value + middle + 0.5).clamp(0.0, highest) as u16;
                        }
                    }
                }
                for (y, line) in strip.chunks_exact(width).enumerate() {
                    for repeat in 0..per_y {
                        let row = (strip_y * 8 + y) * per_y + repeat;
                        let from = row * header.columns * count;
                        let Some(out) = samples.get_mut(from..from + header.columns * count) else { break };
                        let to = out.iter_mut().skip(place).step_by(count);
                        if per_x == 1 {
                            to.zip(line).for_each(|(to, value)| *to = *value);
                        } else {
                            let stretched = line.iter().flat_map(|value| std::iter::repeat_n(value, per_x));
                            to.zip(stretched).for_each(|(to, value)| *to = *value);
                        }
                    }
                }
            }
        }
        Ok(samples)
    }
}

/// What one scan does to a block.
struct Step {
    whole: bool,
    start: u8,
    end: u8,
    low: u8,
    refine: bool,
}

type Chosen<'t> = (Option<&'t HuffmanTable>, Option<&'t HuffmanTable>);

impl Step {
    #[inline]
    fn block(
        &self,
        block: &mut [i16; 64],
        bits: &mut Bits<'_>,
        (dc, ac): Chosen<'_>,
        prediction: &mut i32,
        end_of_band_run: &mut u32,
    ) -> Result<(), DecodeError> {
        let missing = || bad("a Huffman table is missing");
        if self.whole {
            dc_first(block, bits, dc.ok_or_else(missing)?, prediction, 0)?;
            return ac_whole(block, bits, ac.ok_or_else(missing)?);
        }
        match (self.start, self.refine) {
            (0, false) => dc_first(block, bits, dc.ok_or_else(missing)?, prediction, self.low),
            (0, true) => {
                if bits.take(1) == 1 {
                    block[0] |= 1 << self.low;
                }
                Ok(())
            }
            (_, false) => self.ac_first(block, bits, ac.ok_or_else(missing)?, end_of_band_run),
            (_, true) => self.ac_refine(block, bits, ac.ok_or_else(missing)?, end_of_band_run),
        }
    }

    /// First scan of a band (G.1.2.2).
    fn ac_first(
        &self,
        block: &mut [i16; 64],
        bits: &mut Bits<'_>,
        table: &HuffmanTable,
        end_of_band_run: &mut u32,
    ) -> Result<(), DecodeError> {
        if *end_of_band_run > 0 {
            *end_of_band_run -= 1;
            return Ok(());
        }
        let mut at = self.start;
        while at <= self.end {
            let symbol = bits.symbol(table)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            match (run, size) {
                (15, 0) => at += 16,
                (run, 0) => {
                    *end_of_band_run = (1 << run) - 1 + bits.take(u32::from(run));
                    return Ok(());
                }
                (run, size) => {
                    at += run;
                    let value = bits.signed(u32::from(size)) << self.low;
                    *place(block, at)? = value as i16;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// Later scan of a band: one more bit of what is there, and new ones (G.1.2.3).
    fn ac_refine(
        &self,
        block: &mut [i16; 64],
        bits: &mut Bits<'_>,
        table: &HuffmanTable,
        end_of_band_run: &mut u32,
    ) -> Result<(), DecodeError> {
        let bit = 1_i16 << self.low;
        let mut at = self.start;
        if *end_of_band_run == 0 {
            while at <= self.end {
                let symbol = bits.symbol(table)?;
                let (mut run, size) = (symbol >> 4, symbol & 15);
                let mut fresh = 0;
                match (run, size) {
                    (15, 0) => {}
                    (_, 0) => {
                        *end_of_band_run = (1 << run) + bits.take(u32::from(run));
                        break;
                    }
                    _ => fresh = if bits.take(1) == 1 { bit } else { -bit },
                }
                while at <= self.end {
                    let coefficient = place(block, at)?;
                    at += 1;
                    if *coefficient != 0 {
                        refine(coefficient, bits, bit);
                    } else if run == 0 {
                        *coefficient = fresh;
                        break;
                    } else {
                        run -= 1;
                    }
                }
            }
        }
        if *end_of_band_run > 0 {
            while at <= self.end {
                let coefficient = place(block, at)?;
                at += 1;
                if *coefficient != 0 {
                    refine(coefficient, bits, bit);
                }
            }
            *end_of_band_run -= 1;
        }
        Ok(())
    }
}

fn refine(coefficient: &mut i16, bits: &mut Bits<'_>, bit: i16) {
    if bits.take(1) == 1 && *coefficient & bit == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient > 0 { bit } else { -bit });
    }
}

/// The coefficient at a zigzag position.
#[inline(always)]
fn place(block: &mut [i16; 64], zigzag: u8) -> Result<&mut i16, DecodeError> {
    NATURAL
        .get(usize::from(zigzag))
        .and_then(|natural| block.get_mut(usize::from(*natural)))
        .ok_or_else(|| bad("a coefficient beyond the block"))
}

#[inline(always)]
fn dc_first(
    block: &mut [i16; 64],
    bits: &mut Bits<'_>,
    table: &HuffmanTable,
    prediction: &mut i32,
    low: u8,
) -> Result<(), DecodeError> {
    let size = bits.symbol(table)?;
    if size > 15 {
        return Err(bad("a difference of more than 15 bits"));
    }
    *prediction = prediction.wrapping_add(bits.signed(u32::from(size)));
    block[0] = prediction.wrapping_shl(u32::from(low)) as i16;
    Ok(())
}

/// All AC coefficients of a sequential block (F.2.2.2).
#[inline(always)]
fn ac_whole(block: &mut [i16; 64], bits: &mut Bits<'_>, table: &HuffmanTable) -> Result<(), DecodeError> {
    let mut at = 1;
    while at < 64 {
        let symbol = bits.symbol(table)?;
        match (symbol >> 4, symbol & 15) {
            (15, 0) => at += 16,
            (_, 0) => return Ok(()),
            (run, size) => {
                at += run;
                *place(block, at)? = bits.signed(u32::from(size)) as i16;
                at += 1;
            }
        }
    }
    Ok(())
}
