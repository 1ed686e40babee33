//! Transfer syntaxes that phantoms are written in.
//!
//! In: 16-bit samples. Out: what goes into Pixel Data. Must never lose a bit.

coded_view! {
    /// How a file is encoded.
    Encoding {
        /// Explicit VR little endian, uncompressed.
        ExplicitLittleEndian = "1.2.840.10008.1.2.1",
        /// Implicit VR little endian, uncompressed.
        ImplicitLittleEndian = "1.2.840.10008.1.2",
        /// RLE Lossless (PS3.5 Annex G).
        RleLossless = "1.2.840.10008.1.2.5",
    }
}

/// One RLE frame of 16-bit samples: a header of 64 bytes, then the high and the low bytes (PS3.5 section G.2).
pub fn rle_frame(pixels: &[u16], width: usize) -> Vec<u8> {
    let mut segments: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    let mut bytes = vec![0u8; width];
    for (segment, shift) in segments.iter_mut().zip([8u32, 0]) {
        for row in pixels.chunks(width.max(1)) {
            for (byte, pixel) in bytes.iter_mut().zip(row) {
                *byte = ((pixel >> shift) & 0xff) as u8;
            }
            pack_bits(&bytes[..row.len()], segment);
        }
        if segment.len() % 2 == 1 {
            segment.push(0);
        }
    }
    let [high, low] = segments;
    let mut frame = Vec::with_capacity(64 + high.len() + low.len());
    let second = 64 + high.len() as u32;
    for word in [2u32, 64, second] {
        frame.extend_from_slice(&word.to_le_bytes());
    }
    frame.resize(64, 0);
    frame.extend_from_slice(&high);
    frame.extend_from_slice(&low);
    frame
}

/// Packs one row (PS3.5 section G.3.1): runs never cross rows.
fn pack_bits(row: &[u8], out: &mut Vec<u8>) {
    let run_at = |at: usize| row[at..].iter().take(128).take_while(|b| **b == row[at]).count();
    let mut at = 0;
    while at < row.len() {
        let run = run_at(at);
        if run >= 2 {
            out.push((257 - run) as u8);
            out.push(row[at]);
            at += run;
            continue;
        }
        let start = at;
        while at < row.len() && at - start < 128 && run_at(at) < 3 {
            at += 1;
        }
        out.push((at - start - 1) as u8);
        out.extend_from_slice(&row[start..at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(bytes: &[u8], length: usize) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        while out.len() < length {
            let n = i32::from(bytes[at] as i8);
            at += 1;
            if n >= 0 {
                out.extend_from_slice(&bytes[at..=at + n as usize]);
                at += n as usize + 1;
            } else {
                out.extend(std::iter::repeat_n(bytes[at], (1 - n) as usize));
                at += 1;
            }
        }
        out
    }

    #[test]
    fn a_packed_row_unpacks_to_itself() {
        let rows: [Vec<u8>; 6] = [
            vec![1],
            vec![1; 300],
            (0..=255).collect(),
            vec![1, 1, 2, 3, 3, 3, 4, 5, 5],
            vec![0, 0, 1, 0, 0, 1, 1, 1],
            (0..1000).map(|i| ((i * i) % 7) as u8).collect(),
        ];
        for row in rows {
            let mut packed = Vec::new();
            pack_bits(&row, &mut packed);
            assert_eq!(unpack(&packed, row.len()), row);
        }
    }
}
