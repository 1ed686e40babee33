//! Bits of an entropy-coded segment and Huffman codes (ISO/IEC 10918-1 Annex F.2.2).

use super::super::DecodeError;
use super::bad;

/// Codes up to this long are found in one step.
const FAST_BITS: u32 = 10;

/// A Huffman table: fast look-up for short codes, the canonical limits for long ones.
pub(super) struct HuffmanTable {
    /// Length in the upper byte (0: longer than the look-up), symbol in the lower.
    fast: Box<[u16; 1 << FAST_BITS]>,
    /// Per length: first code beyond it, left-aligned to 16 bits.
    beyond: [u32; 17],
    /// Per length: what to add to a code to get the place of its symbol.
    delta: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, DecodeError> {
        let mut table = Self {
            fast: Box::new([0; 1 << FAST_BITS]),
            beyond: [0; 17],
            delta: [0; 17],
            symbols: symbols.to_vec(),
        };
        let mut code = 0_u32;
        let mut place = 0_usize;
        for (length, count) in (1_u32..).zip(counts) {
            if let Some(delta) = table.delta.get_mut(length as usize) {
                *delta = place as i32 - code as i32;
            }
            for symbol in symbols.iter().skip(place).take(usize::from(*count)) {
                if code >> length != 0 {
                    return Err(bad("Huffman table has more codes than bits"));
                }
                if length <= FAST_BITS {
                    let from = (code << (FAST_BITS - length)) as usize;
                    let entries = table.fast.iter_mut().skip(from).take(1 << (FAST_BITS - length));
                    entries.for_each(|entry| *entry = (length as u16) << 8 | u16::from(*symbol));
                }
                code += 1;
            }
            place += usize::from(*count);
            if let Some(beyond) = table.beyond.get_mut(length as usize) {
                *beyond = code << (16 - length);
            }
            code <<= 1;
        }
        Ok(table)
    }
}

/// Reads bits, most significant first, without the stuffed zero bytes; zeros once a marker or the end is met.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    count: u32,
    /// Bits that were made up after the end.
    made_up: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, count: 0, made_up: 0 }
    }

    /// Whether more bits were used than there are.
    pub fn is_exhausted(&self) -> bool {
        self.made_up > self.count
    }

    #[inline(always)]
    fn refill(&mut self) {
        if self.count > 32 {
            return;
        }
        if let Some(four) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>())
            && !four.contains(&0xFF)
        {
            self.buffer |= u64::from(u32::from_be_bytes(*four)) << (32 - self.count);
            self.count += 32;
            self.at += 4;
            return;
        }
        self.refill_slowly();
    }

    #[cold]
    fn refill_slowly(&mut self) {
        while self.count <= 48 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xFF), Some(0)) => {
                    self.at += 2;
                    0xFF
                }
                // A marker, or the end: nothing more to read here.
                (Some(0xFF), _) | (None, _) => {
                    self.made_up = self.made_up.saturating_add(8);
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Takes `size` bits, at most 16.
    #[inline(always)]
    pub fn take(&mut self, size: u32) -> u32 {
        if size == 0 {
            return 0;
        }
        self.refill();
        let value = (self.buffer >> (64 - size)) as u32;
        self.drop_bits(size);
        value
    }

    #[inline(always)]
    fn drop_bits(&mut self, size: u32) {
        self.buffer <<= size;
        self.count = self.count.saturating_sub(size);
    }

    /// Decodes one symbol; 0 where no code fits (the exhaustion check then tells).
    #[inline(always)]
    pub fn symbol(&mut self, table: &HuffmanTable) -> Result<u8, DecodeError> {
        self.refill();
        let entry = table.fast[(self.buffer >> (64 - FAST_BITS)) as usize];
        if entry >= 1 << 8 {
            self.drop_bits(u32::from(entry >> 8));
            return Ok(entry as u8);
        }
        self.long_symbol(table)
    }

    #[cold]
    fn long_symbol(&mut self, table: &HuffmanTable) -> Result<u8, DecodeError> {
        let aligned = (self.buffer >> 48) as u32;
        for length in FAST_BITS + 1..=16 {
            if table.beyond.get(length as usize).is_some_and(|beyond| aligned < *beyond) {
                let code = (aligned >> (16 - length)) as i32;
                let place = table.delta.get(length as usize).map_or(-1, |delta| code + delta);
                self.drop_bits(length);
                return usize::try_from(place)
                    .ok()
                    .and_then(|place| table.symbols.get(place))
                    .copied()
                    .ok_or_else(|| bad("a code that its Huffman table does not have"));
            }
        }
        Err(bad("a code that its Huffman table does not have"))
    }

    /// Takes `size` bits as a signed difference (F.2.2.1, EXTEND); `size` at most 15.
    #[inline(always)]
    pub fn signed(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let value = self.take(size) as i32;
        if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value }
    }

    /// Goes on behind the next restart marker, if that is what comes.
    pub fn restart(&mut self) -> bool {
        (self.buffer, self.count, self.made_up) = (0, 0, 0);
        // Bytes read ahead are never a marker, so the marker is still in front.
        while let Some(pair) = self.bytes.get(self.at..self.at + 2) {
            match *pair {
                [0xFF, 0xD0..=0xD7] => {
                    self.at += 2;
                    return true;
                }
                [0xFF, 0x00] => self.at += 2,
                [0xFF, 0xFF] => self.at += 1,
                [0xFF, _] => return false,
                _ => self.at += 1,
            }
        }
        false
    }

    /// Where the segment ends: at the next marker that is no restart.
    pub fn end(&self) -> usize {
        let mut at = self.at.saturating_sub(8);
        while let Some(pair) = self.bytes.get(at..at + 2) {
            match *pair {
                [0xFF, 0x00 | 0xFF | 0xD0..=0xD7] => at += 1,
                [0xFF, _] => return at,
                _ => at += 1,
            }
        }
        self.bytes.len()
    }
}
