//! A film that exists as a PNG or JPEG, wrapped as a frontal chest image so that it can be pushed like any other.
//!
//! In: the picture's bytes and what is known of it. Out: a [`GeneratedInstance`] whose identity is derived from the
//! bytes. Must never claim to know the person: name and ids are plainly made up.

use image::ImageReader;

use super::study::GeneratedInstance;
use super::truth::Truth;
use super::{
    ChestView, Encoding, GENERATOR, Identity, ImageKind, PersonSex, Phantom, PhantomError, Photometric,
    StudyIdentity,
};
use crate::vocab::Pathway;

/// Largest side of a film, in pixels.
const LONGEST_SIDE: u32 = 8_192;

/// Wraps the picture `bytes` as a chest film of that view and age, 8 bits, bright is dense.
pub fn wrapped_film(
    bytes: &[u8],
    view: ChestView,
    age_years: u32,
    date_time: &(String, String),
) -> Result<GeneratedInstance, PhantomError> {
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| PhantomError::DataSet(error);
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| unreadable(error.into()))?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    reader.limits(limits);
    let grey = reader.decode().map_err(|error| unreadable(error.into()))?.into_luma8();
    let hash = blake3::hash(bytes);
    let mut seed = [0; 8];
    seed.copy_from_slice(&hash.as_bytes()[..8]);
    let seed = u64::from_le_bytes(seed);
    let kind = ImageKind::Chest { view };
    let study = StudyIdentity::of(seed, "film", &date_time.0, &date_time.1);
    let phantom = Phantom {
        width: grey.width(),
        height: grey.height(),
        bits_stored: 8,
        photometric: Photometric::Monochrome2,
        pixels: grey.pixels().map(|pixel| u16::from(pixel.0[0])).collect(),
        kind,
        age_years,
        sex: PersonSex::Other,
        truth: Truth {
            synthetic: false,
            generator: GENERATOR.to_owned(),
            seed,
            pathway: Some(Pathway::Chest),
            view: kind.view(),
            findings: Vec::new(),
        },
        masks: Vec::new(),
    };
    Ok(GeneratedInstance {
        file_name: format!("film-{}.dcm", hex::encode(&hash.as_bytes()[..8])),
        identity: Identity::of(&study, 1, kind),
        phantom,
        encoding: Encoding::ExplicitLittleEndian,
    })
}
