//! How far apart the pixels of a projection radiograph are, and where that is true (PS3.3 section 10.7).
//!
//! In: attributes as they were sent. Out: a distance with what it is worth, or nothing. Never: a length in the patient
//! where only the detector's is known.

use super::{InstanceTags, coded_enum};

coded_enum!(
    /// What a distance between pixels is worth.
    SpacingKind, "kind of pixel spacing" {
        /// At the front of the detector; what lies in the patient is smaller by the magnification.
        Detector = "detector",
        /// Corrected for an assumed or measured magnification.
        Corrected = "corrected",
        /// Calibrated by an object of known size in the image.
        Calibrated = "calibrated",
    }
);

/// Distances between pixels.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Spacing {
    /// Between rows and between columns, in mm.
    pub mm: [f64; 2],
    /// What they are worth.
    pub kind: SpacingKind,
}

/// Largest magnification that is believed; beyond it lies a slip of the pen.
const MOST_MAGNIFICATION: f64 = 10.0;

impl Spacing {
    /// The best spacing that the attributes give.
    ///
    /// Pixel Spacing with a calibration type comes first; one that differs from Imager Pixel Spacing without a type was
    /// corrected in some way (PS3.3 10.7.1.3). Imager Pixel Spacing divided by the estimated magnification is corrected,
    /// alone it is the detector's; so is Pixel Spacing alone, of which nothing more is known.
    pub fn of(tags: &InstanceTags) -> Option<Self> {
        let pixel = pair(&tags.pixel_spacing);
        let imager = pair(&tags.imager_pixel_spacing);
        let calibrated = match tags.spacing_calibration.trim() {
            "FIDUCIAL" => Some(SpacingKind::Calibrated),
            "GEOMETRY" => Some(SpacingKind::Corrected),
            _ => None,
        };
        let differs = |a: [f64; 2], b: [f64; 2]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-6 * b);
        match (pixel, imager, calibrated) {
            (Some(mm), _, Some(kind)) => Some(Self { mm, kind }),
            (Some(mm), Some(imager), None) if differs(mm, imager) => {
                Some(Self { mm, kind: SpacingKind::Corrected })
            }
            (_, Some(mm), _) => Some(match magnification(tags) {
                Some(factor) => Self { mm: mm.map(|side| side / factor), kind: SpacingKind::Corrected },
                None => Self { mm, kind: SpacingKind::Detector },
            }),
            (Some(mm), None, None) => Some(Self { mm, kind: SpacingKind::Detector }),
            (None, None, _) => None,
        }
    }
}

/// Two decimal strings above zero.
fn pair(text: &str) -> Option<[f64; 2]> {
    let mut sides = text.split('\\').map(|side| side.trim().parse::<f64>().ok());
    let (row, column) = (sides.next()??, sides.next()??);
    let is_length = |side: f64| side.is_finite() && side > 0.0;
    (is_length(row) && is_length(column)).then_some([row, column])
}

/// Estimated Radiographic Magnification Factor (0018,1114), where it says that there is any. One is what equipment
/// writes that doesn't know: no correction.
fn magnification(tags: &InstanceTags) -> Option<f64> {
    let factor: f64 = tags.magnification.trim().parse().ok()?;
    (factor > 1.0 && factor <= MOST_MAGNIFICATION).then_some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pixel: &str, imager: &str, magnification: &str, calibration: &str) -> Option<(f64, SpacingKind)> {
        let tags = InstanceTags {
            pixel_spacing: pixel.to_owned(),
            imager_pixel_spacing: imager.to_owned(),
            magnification: magnification.to_owned(),
            spacing_calibration: calibration.to_owned(),
            ..InstanceTags::default()
        };
        Spacing::of(&tags).map(|spacing| (spacing.mm[0], spacing.kind))
    }

    #[test]
    fn a_length_says_whether_it_is_the_detectors_the_patients_or_calibrated() {
        use SpacingKind::{Calibrated, Corrected, Detector};
        let same = r"0.1\0.1";
        assert_eq!(of("", same, "", ""), Some((0.1, Detector)));
        assert_eq!(of("", same, "1.25", ""), Some((0.08, Corrected)));
        assert_eq!(of("", same, "1.0", ""), Some((0.1, Detector)), "no magnification is known");
        assert_eq!(of("", same, "0", ""), Some((0.1, Detector)));
        assert_eq!(of(r"0.09\0.09", same, "1.25", "GEOMETRY"), Some((0.09, Corrected)));
        assert_eq!(of(r"0.09\0.09", same, "1.25", "FIDUCIAL"), Some((0.09, Calibrated)));
        assert_eq!(of(r"0.09\0.09", same, "", ""), Some((0.09, Corrected)), "it was changed for some reason");
        assert_eq!(of(same, same, "", ""), Some((0.1, Detector)), "a copy of the detector's");
        assert_eq!(of(same, "", "", ""), Some((0.1, Detector)), "of what else is not said");
        assert_eq!(of(r"0.1\x", r"-1\0.1", "", ""), None);
        assert_eq!(of("0.1", "", "", "FIDUCIAL"), None, "one value is no pair");
    }
}
