//! What model or reader says is there, with the code that other systems file it by.

use super::{Laterality, Side, SopInstanceUid, coded_enum};

/// A concept of SNOMED CT: its identifier and a preferred term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coded {
    /// SNOMED CT concept identifier.
    pub sct: &'static str,
    /// Term shown to people.
    pub term: &'static str,
}

coded_enum!(
    /// A chest finding.
    FindingCode, "finding" {
        /// No finer than that the film is abnormal; what an overall score says.
        Abnormality = "abnormality",
        Consolidation = "consolidation",
        PleuralEffusion = "pleural_effusion",
        Pneumothorax = "pneumothorax",
        Nodule = "nodule",
        Mass = "mass",
        Cardiomegaly = "cardiomegaly",
        Atelectasis = "atelectasis",
        PulmonaryOedema = "pulmonary_oedema",
        InterstitialLungDisease = "interstitial_lung_disease",
        Emphysema = "emphysema",
        HilarEnlargement = "hilar_enlargement",
        MediastinalWidening = "mediastinal_widening",
        RibFracture = "rib_fracture",
        Pneumoperitoneum = "pneumoperitoneum",
        HiatusHernia = "hiatus_hernia",
        DeviceMalposition = "device_malposition",
        Other = "other",
    }
);

coded_enum!(
    /// A feature marked on a mammogram.
    BreastFeature, "breast feature" {
        /// No finer than that the breast is suspicious; what an overall score says.
        Suspicious = "suspicious",
        Mass = "mass",
        Calcification = "calcification",
        Distortion = "distortion",
        Asymmetry = "asymmetry",
        SkinOrNipple = "skin_or_nipple",
        AxillaryNode = "axillary_node",
        Other = "other",
    }
);

coded_enum!(
    /// Height in a lung.
    Zone, "zone" { Upper = "upper", Middle = "middle", Lower = "lower" }
);

coded_enum!(
    /// How sure a reader is of a finding.
    Confidence, "confidence" { Possible = "possible", Probable = "probable", Definite = "definite" }
);

coded_enum!(
    /// Level of concern, the five-point scale of the Royal College of Radiologists
    /// (1 normal, 2 benign, 3 indeterminate, 4 suspicious, 5 highly suspicious).
    LevelOfConcern, "level of concern" { Normal = "1", Benign = "2", Indeterminate = "3", Suspicious = "4", HighlySuspicious = "5" }
);

/// A rectangle on one frame, in columns and rows of the stored pixels, origin at the top left.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// The image that it lies on.
    pub sop_instance_uid: SopInstanceUid,
    /// Frame number, from 1.
    #[serde(default = "first_frame")]
    pub frame: u32,
    /// Left edge, columns.
    pub x: f64,
    /// Top edge, rows.
    pub y: f64,
    /// Columns.
    pub width: f64,
    /// Rows.
    pub height: f64,
}

fn first_frame() -> u32 {
    1
}

impl Mark {
    /// Intersection over union with another mark; 0 on different images.
    pub fn iou(&self, other: &Mark) -> f64 {
        if self.sop_instance_uid != other.sop_instance_uid || self.frame != other.frame {
            return 0.0;
        }
        let overlap = |a: f64, al: f64, b: f64, bl: f64| ((a + al).min(b + bl) - a.max(b)).max(0.0);
        let inter = overlap(self.x, self.width, other.x, other.width)
            * overlap(self.y, self.height, other.y, other.height);
        let union = self.width * self.height + other.width * other.height - inter;
        if union > 0.0 { inter / union } else { 0.0 }
    }
    /// Whether the centre of `other` lies inside this mark.
    pub fn holds_centre_of(&self, other: &Mark) -> bool {
        let (cx, cy) = (other.x + other.width / 2.0, other.y + other.height / 2.0);
        self.sop_instance_uid == other.sop_instance_uid
            && self.frame == other.frame
            && (self.x..=self.x + self.width).contains(&cx)
            && (self.y..=self.y + self.height).contains(&cy)
    }
}

/// One finding of a human read of a chest film.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ChestFinding {
    /// What.
    pub code: FindingCode,
    /// Where, as far as it has a side.
    #[serde(default)]
    pub side: Option<Laterality>,
    /// At what height.
    #[serde(default)]
    pub zone: Option<Zone>,
    /// How sure.
    #[serde(default)]
    pub confidence: Option<Confidence>,
    /// Whether someone must hear of it today (PATHWAYS X7).
    #[serde(default)]
    pub urgent: bool,
    /// Where on the image.
    #[serde(default)]
    pub mark: Option<Mark>,
}

impl From<Side> for Laterality {
    fn from(side: Side) -> Self {
        match side {
            Side::Right => Laterality::Right,
            Side::Left => Laterality::Left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(x: f64, y: f64, width: f64, height: f64) -> Mark {
        Mark { sop_instance_uid: "1.2".parse().unwrap(), frame: 1, x, y, width, height }
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        assert_eq!(mark(0.0, 0.0, 10.0, 10.0).iou(&mark(0.0, 0.0, 10.0, 10.0)), 1.0);
        assert!((mark(0.0, 0.0, 10.0, 10.0).iou(&mark(5.0, 0.0, 10.0, 10.0)) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(mark(0.0, 0.0, 10.0, 10.0).iou(&mark(20.0, 0.0, 1.0, 1.0)), 0.0);
        assert!(mark(0.0, 0.0, 10.0, 10.0).holds_centre_of(&mark(4.0, 4.0, 2.0, 2.0)));
    }
}
