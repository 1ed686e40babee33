//! What a frame costs on its way to a viewer: raw, Zstandard at two levels, JPEG-LS. Prints a table for docs/benchmarks.md.
//!
//! Each film is drawn at full detector size, kept as a file, decoded as the server decodes it, and packed in each way;
//! medians of a few rounds, one thread. "On a line" adds the time that the bytes take at a rate without any protocol.
//! Usage: cargo bench --bench frames

use std::time::Instant;

use doubleread::phantom::{Encoding, StudyOptions, generate_study};
use doubleread::prepare::{Limits, raw_frame};
use doubleread::vocab::Pathway;

const ROUNDS: usize = 5;
/// Lines, megabits a second.
const LINES: [f64; 2] = [1_000.0, 100.0];

/// Milliseconds, the median, and what the last round gave.
fn timed<T>(mut run: impl FnMut() -> T) -> (f64, T) {
    let mut spent = Vec::with_capacity(ROUNDS);
    let mut made = None;
    for _ in 0..ROUNDS {
        let began = Instant::now();
        made = Some(run());
        spent.push(began.elapsed().as_secs_f64() * 1e3);
    }
    spent.sort_by(f64::total_cmp);
    (spent[ROUNDS / 2], made.expect("there is a round"))
}

fn main() {
    let films = [
        ("mammogram 3328 x 4096, 12 bit", Pathway::Mammo, (3328, 4096)),
        ("chest 2500 x 3000, 12 bit", Pathway::Chest, (2500, 3000)),
    ];
    println!("| film | as | MB | pack ms | unpack ms | 1 Gbit/s: ms in all | 100 Mbit/s: ms in all |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let folder = tempfile::tempdir().expect("a folder");
    for (name, pathway, size) in films {
        let views = vec!["LMLO".parse().expect("a view")];
        let options = StudyOptions {
            size: Some(size),
            mammo_views: views,
            encoding: Encoding::ExplicitLittleEndian,
            ..StudyOptions::default()
        };
        let path = folder.path().join("film.dcm");
        let film = generate_study(pathway, 5, &options).remove(0);
        std::fs::write(&path, film.part10().expect("a film")).expect("written");
        let (decode_ms, frame) = timed(|| raw_frame(&path, 1, &Limits::default()).expect("decoded"));
        let raw = frame.samples;
        let values: Vec<u16> =
            raw.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let row = |kind: &str, bytes: usize, pack: f64, unpack: f64| {
            let in_all = LINES.map(|rate| pack + unpack + bytes as f64 * 8.0 / (rate * 1e3));
            println!(
                "| {name} | {kind} | {:.1} | {pack:.0} | {unpack:.0} | {:.0} | {:.0} |",
                bytes as f64 / 1e6,
                in_all[0],
                in_all[1]
            );
        };
        println!("| {name} | (decoding the stored file) | | {decode_ms:.0} | | | |");
        row("raw", raw.len(), 0.0, 0.0);
        for level in [1, 3] {
            let (pack, packed) = timed(|| zstd::bulk::compress(&raw, level).expect("packed"));
            let (unpack, back) = timed(|| zstd::bulk::decompress(&packed, raw.len()).expect("unpacked"));
            assert!(back == raw, "Zstandard gives back what it got");
            row(&format!("Zstandard, level {level}"), packed.len(), pack, unpack);
        }
        let (columns, rows) = size;
        let (pack, packed) = timed(|| {
            let mut packed = Vec::with_capacity(raw.len());
            jpegls::encode(&values, columns, rows, &mut packed).expect("packed");
            packed
        });
        let (unpack, (back, ..)) = timed(|| jpegls::decode(&packed, columns, rows).expect("unpacked"));
        assert!(back == values, "JPEG-LS gives back what it got");
        row("JPEG-LS", packed.len(), pack, unpack);
    }
}
