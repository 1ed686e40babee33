//! Writes training tensors: phantoms as DICOM files, through the very preparation that serves.
//!
//! `phantom_batch chest|mammo SPEC.toml FIRST_SEED COUNT OUT` writes `OUT.f32` (tensors one after another, little
//! endian) and `OUT.jsonl` (one line per tensor: seed, view, subgroup, findings with boxes in tensor pixels).

use std::io::Write;

use anyhow::{Context, bail};
use doubleread::phantom::{
    BreastLesion, ChestLesion, ChestParams, ChestView, Encoding, GeneratedInstance, Identity, LesionKind,
    MammoParams, Phantom, Photometric, StudyIdentity, chest, mammo,
};
use doubleread::prepare::{InputSpec, Limits, Scope, prepare_file};
use doubleread::vocab::{MammoView, Pathway, Side};

#[derive(serde::Deserialize)]
struct Spec {
    input: InputSpec,
    scope: Scope,
}

/// A small deterministic stream for choosing cohorts (SplitMix64), apart from the generator's own.
struct Cohort(u64);

impl Cohort {
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / 16_777_216.0
    }
    fn below(&mut self, bound: usize) -> usize {
        ((self.unit() * bound as f32) as usize).min(bound - 1)
    }
}

fn chest_image(seed: u64) -> (Phantom, String) {
    let mut draw = Cohort(seed);
    let mut params = ChestParams::normal(seed);
    params.age_years = params.age_years.max(18);
    let height = [352, 448, 704][draw.below(3)];
    params.height = height;
    params.width = height * [82, 90, 100, 116][draw.below(4)] / 100;
    params.view = if draw.unit() < 0.7 { ChestView::Pa } else { ChestView::Ap };
    params.photometric = if draw.unit() < 0.3 { Photometric::Monochrome1 } else { Photometric::Monochrome2 };
    let lesions = match draw.unit() {
        u if u < 0.45 => 0,
        u if u < 0.92 => 1,
        _ => 2,
    };
    for _ in 0..lesions {
        let code = ChestLesion::DRAWN[draw.below(ChestLesion::DRAWN.len())];
        if !params.lesions.iter().any(|l| l.code == code) {
            params.lesions.push(ChestLesion::of(code));
        }
    }
    let group = params.view.code().to_owned();
    (chest(&params), group)
}

/// Four seeds in a row are the four views of one exam; in 7 of 10 exams one breast has a lesion.
fn mammo_image(seed: u64) -> (Phantom, String) {
    let exam = seed / 4;
    let view = MammoView::STANDARD[(seed % 4) as usize];
    let mut draw = Cohort(exam);
    let mut params = MammoParams::normal(exam, view.side, view.projection);
    (params.width, params.height) = [(520, 640), (520, 640), (624, 768), (832, 1024)][draw.below(4)];
    if draw.unit() < 0.7 {
        let kind = LesionKind::ALL[draw.below(LesionKind::ALL.len())];
        let side = if draw.unit() < 0.5 { Side::Right } else { Side::Left };
        if side == view.side {
            params.lesions.push(BreastLesion::of(kind));
        }
    }
    let group = format!("density {}", params.density);
    (mammo(&params), group)
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pathway, spec, first, count, out] = arguments.as_slice() else {
        bail!("phantom_batch chest|mammo SPEC.toml FIRST_SEED COUNT OUT");
    };
    let pathway: Pathway = pathway.parse()?;
    let spec: Spec = toml::from_str(&std::fs::read_to_string(spec)?)?;
    let (first, count): (u64, u64) = (first.parse()?, count.parse()?);
    let mut tensors = std::io::BufWriter::new(std::fs::File::create(format!("{out}.f32"))?);
    let mut lines = std::io::BufWriter::new(std::fs::File::create(format!("{out}.jsonl"))?);
    let scratch = std::path::PathBuf::from(format!("{out}.dcm"));
    for seed in first..first + count {
        let (phantom, group) = match pathway {
            Pathway::Chest => chest_image(seed),
            Pathway::Mammo => mammo_image(seed),
        };
        let study = StudyIdentity::of(seed, pathway.code(), "20260105", "090000");
        let instance = GeneratedInstance {
            file_name: String::new(),
            identity: Identity::of(&study, 1, phantom.kind),
            phantom,
            encoding: Encoding::ExplicitLittleEndian,
        };
        let mut file = std::io::BufWriter::new(std::fs::File::create(&scratch)?);
        instance.write_part10(&mut file)?;
        file.flush()?;
        let prepared = prepare_file(&scratch, &spec.input, &spec.scope, &Limits::default())
            .map_err(|refused| anyhow::anyhow!("seed {seed}: {} {}", refused.reason, refused.detail))?;
        for value in &prepared.tensor {
            tensors.write_all(&value.to_le_bytes())?;
        }
        let findings: Vec<serde_json::Value> = instance
            .truth()
            .findings
            .iter()
            .map(|finding| {
                let b = finding.pixel_box;
                let (x, y) = prepared.mapping.to_input(b.x, b.y);
                let (right, bottom) = prepared.mapping.to_input(b.x + b.width, b.y + b.height);
                let code = finding.code.map(|c| c.code()).or(finding.feature.map(|f| f.code()));
                serde_json::json!({ "code": code, "kind": finding.kind, "box": [x, y, right - x, bottom - y] })
            })
            .collect();
        let line = serde_json::json!({
            "seed": seed, "view": instance.truth().view, "group": group, "findings": findings
        });
        writeln!(lines, "{line}")?;
    }
    std::fs::remove_file(&scratch).context("the scratch file")?;
    tensors.flush()?;
    lines.flush()?;
    Ok(())
}
