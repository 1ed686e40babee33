//! The coded terms that our words are filed by: SNOMED CT and LOINC.
//!
//! In: a value of our own enums. Out: its words, and its concept where one was verified. A word without
//! a concept travels as text only; a code is never guessed. Verified in (source letter at each code):
//!
//! - G: SNOMED CT Global Patient Set, `ValueSet-snomed-intl-gps` of npm `hl7.terminology.r4` 7.0.1
//! - P: PS3.16 as pydicom 3.0.2 carries it (`pydicom.sr.codes`)
//! - H: value sets and examples of HL7 FHIR R4 (npm `hl7.fhir.r4.expansions` 4.0.1, the specification's examples)
//! - U: two or more independent public uses with the same code and term (implementation guides, OMOP tables)

use super::{BreastFeature, Coded, FindingCode, Laterality, Pathway, Side, Zone};

const fn coded(sct: &'static str, term: &'static str) -> Coded {
    Coded { sct, term }
}

/// A concept of LOINC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loinc {
    /// Its number with check digit.
    pub number: &'static str,
    /// Term shown to people.
    pub term: &'static str,
}

/// 'Present', the value of an observation whose code is a finding (G).
pub const PRESENT: Coded = coded("52101004", "Present");
/// 'Laterality', the attribute (G, P CID 210).
pub const LATERALITY: Coded = coded("272741003", "Laterality");
/// 'Imaging', the category of an imaging order (G, H).
pub const IMAGING: Coded = coded("363679005", "Imaging");
/// CT of the chest; a FHIR R4 example (H, U) names it 'CT of thorax'.
pub const CT_OF_CHEST: Coded = coded("169069000", "CT of chest");
/// CT of the chest (P CID 7000, H).
pub const CT_OF_CHEST_LOINC: Loinc = Loinc { number: "24627-2", term: "CT Chest" };
/// Section of radiology reports; US Core's required category (U).
pub const RADIOLOGY: Loinc = Loinc { number: "LP29684-5", term: "Radiology" };

impl FindingCode {
    /// The finding in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Abnormality => "abnormality",
            Self::Consolidation => "consolidation",
            Self::PleuralEffusion => "pleural effusion",
            Self::Pneumothorax => "pneumothorax",
            Self::Nodule => "lung nodule",
            Self::Mass => "lung mass",
            Self::Cardiomegaly => "enlarged heart",
            Self::Atelectasis => "atelectasis",
            Self::PulmonaryOedema => "pulmonary oedema",
            Self::InterstitialLungDisease => "interstitial lung disease",
            Self::Emphysema => "emphysema",
            Self::HilarEnlargement => "hilar enlargement",
            Self::MediastinalWidening => "widened mediastinum",
            Self::RibFracture => "rib fracture",
            Self::Pneumoperitoneum => "free gas under the diaphragm",
            Self::HiatusHernia => "hiatus hernia",
            Self::DeviceMalposition => "malposition of a device, tube or line",
            Self::Other => "other abnormality",
        }
    }

    /// Other words by which readers look for it.
    pub const fn also(self) -> &'static [&'static str] {
        match self {
            Self::Abnormality => &["abnormal"],
            Self::Consolidation => &["pneumonia", "airspace opacity", "infection", "infiltrate"],
            Self::PleuralEffusion => &["fluid", "hydrothorax"],
            Self::Pneumothorax => &["ptx", "collapsed lung", "air leak"],
            Self::Nodule => &["spn", "coin lesion"],
            Self::Mass => &["tumour", "tumor", "cancer", "lesion"],
            Self::Cardiomegaly => &["cardiomegaly", "big heart", "heart failure"],
            Self::Atelectasis => &["collapse", "volume loss"],
            Self::PulmonaryOedema => &["edema", "congestion", "heart failure"],
            Self::InterstitialLungDisease => &["ild", "fibrosis", "reticular"],
            Self::Emphysema => &["copd", "hyperinflation", "bullae"],
            Self::HilarEnlargement => &["lymph nodes", "lymphadenopathy", "hilum"],
            Self::MediastinalWidening => &["aorta", "dissection", "aneurysm"],
            Self::RibFracture => &["fracture", "bone", "trauma"],
            Self::Pneumoperitoneum => &["free air", "perforation", "pneumoperitoneum"],
            Self::HiatusHernia => &["hiatal"],
            Self::DeviceMalposition => &["tube", "line", "catheter", "pacemaker", "ng", "ett", "cvc"],
            Self::Other => &["something else"],
        }
    }

    /// Its SNOMED CT concept, where one was verified.
    pub const fn coded(self) -> Option<Coded> {
        Some(match self {
            // G
            Self::Abnormality => coded("168734001", "Standard chest X-ray abnormal"),
            // U: OMOP 'Lung consolidation', condition 4318404
            Self::Consolidation => coded("95436008", "Lung consolidation"),
            // G, P CID 645
            Self::PleuralEffusion => coded("60046008", "Pleural effusion"),
            // G, P CID 6102
            Self::Pneumothorax => coded("36118008", "Pneumothorax"),
            // U: two FHIR implementation guides, 'Nodule of lung (disorder)'. G has only one or several: 427359005, 445249002
            Self::Nodule => coded("786838002", "Nodule of lung"),
            // G
            Self::Mass => coded("309529002", "Lung mass"),
            // G. P names 287272002 in a list for the fetal heart
            Self::Cardiomegaly => coded("8186001", "Cardiomegaly"),
            // G
            Self::Atelectasis => coded("46621007", "Atelectasis"),
            // G, P CID 3700
            Self::PulmonaryOedema => coded("19242006", "Pulmonary edema"),
            // G
            Self::InterstitialLungDisease => coded("233703007", "Interstitial lung disease"),
            // G
            Self::Emphysema => coded("87433001", "Pulmonary emphysema"),
            // G
            Self::RibFracture => coded("33737001", "Fracture of rib"),
            // G
            Self::HiatusHernia => coded("84089009", "Hiatal hernia"),
            // No concept could be verified, or none says just this: text only.
            Self::HilarEnlargement
            | Self::MediastinalWidening
            | Self::Pneumoperitoneum
            | Self::DeviceMalposition
            | Self::Other => return None,
        })
    }

    /// Where in the body it lies, where that is one structure.
    pub const fn body_site(self) -> Coded {
        match self {
            Self::Consolidation
            | Self::Nodule
            | Self::Mass
            | Self::Atelectasis
            | Self::PulmonaryOedema
            | Self::InterstitialLungDisease
            | Self::Emphysema => LUNG,
            // G, P CID 6100
            Self::PleuralEffusion | Self::Pneumothorax => coded("3120008", "Pleural membrane structure"),
            // G, P CID 4009
            Self::Cardiomegaly => coded("80891009", "Heart structure"),
            // G, P CID 6102
            Self::HilarEnlargement => coded("46750007", "Structure of hilum of lung"),
            // G, P CID 4009
            Self::MediastinalWidening | Self::HiatusHernia => coded("72410000", "Mediastinal structure"),
            // G, P CID 4009
            Self::RibFracture => coded("113197003", "Bone structure of rib"),
            Self::Abnormality | Self::Pneumoperitoneum | Self::DeviceMalposition | Self::Other => THORAX,
        }
    }
}

/// G, P CID 4009.
const LUNG: Coded = coded("39607008", "Lung structure");
/// G.
const THORAX: Coded = coded("51185008", "Thoracic structure");

impl Zone {
    /// The zone of the lung as a body site.
    pub const fn coded(self) -> Coded {
        match self {
            // G, P CID 6171
            Self::Upper => coded("281392002", "Upper zone of lung"),
            Self::Middle => coded("281393007", "Middle zone of lung"),
            Self::Lower => coded("281394001", "Lower zone of lung"),
        }
    }
}

impl BreastFeature {
    /// The feature in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Suspicious => "suspicious appearance",
            Self::Mass => "mass",
            Self::Calcification => "calcification",
            Self::Distortion => "architectural distortion",
            Self::Asymmetry => "asymmetry",
            Self::SkinOrNipple => "skin or nipple change",
            Self::AxillaryNode => "abnormal axillary node",
            Self::Other => "other abnormality",
        }
    }

    /// Its SNOMED CT concept, where one was verified.
    pub const fn coded(self) -> Option<Coded> {
        Some(match self {
            // G
            Self::Suspicious => coded("168750009", "Mammography abnormal"),
            // G, P CID 6016
            Self::Mass => coded("129788004", "Mammographic breast mass finding"),
            // G, P CID 6054
            Self::Calcification => coded("309587003", "Calcification of breast"),
            // G, P CID 6014
            Self::Distortion => coded("129792006", "Mammographic architectural distortion of breast"),
            // G, P CID 6016
            Self::Asymmetry => coded("129790003", "Asymmetric breast tissue finding"),
            // G, P CID 6014
            Self::AxillaryNode => coded("127189005", "Axillary lymphadenopathy"),
            // Skin and nipple have concepts of their own; together they have none.
            Self::SkinOrNipple | Self::Other => return None,
        })
    }
}

impl Laterality {
    /// The side in words, before a body site.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Left => "left",
            Self::Bilateral => "both sides",
            Self::Midline => "midline",
        }
    }

    /// Its SNOMED CT qualifier.
    pub const fn coded(self) -> Coded {
        match self {
            // G, P CID 244
            Self::Right => coded("24028007", "Right"),
            Self::Left => coded("7771000", "Left"),
            Self::Bilateral => coded("51440002", "Right and left"),
            // G. P names 261129000 for the midline, which G calls 'Mediolateral'
            Self::Midline => coded("260528009", "Median"),
        }
    }
}

impl Side {
    /// `right` or `left`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Left => "left",
        }
    }

    /// The breast of this side as a body site (G, P CID 6022).
    pub const fn breast(self) -> Coded {
        match self {
            Self::Right => coded("73056007", "Right breast structure"),
            Self::Left => coded("80248007", "Left breast structure"),
        }
    }
}

impl Pathway {
    /// The procedure that is read.
    pub const fn procedure(self) -> Coded {
        match self {
            // G
            Self::Chest => coded("399208008", "Plain chest X-ray"),
            // G, P CID 10005
            Self::Mammo => coded("71651007", "Mammography"),
        }
    }

    /// The report's LOINC code.
    pub const fn report(self) -> Loinc {
        match self {
            // H (`c80-doc-typecodes`)
            Self::Chest => Loinc { number: "30745-4", term: "Chest X-ray" },
            // H (`doc-typecodes`), P CID 7000
            Self::Mammo => Loinc { number: "24606-6", term: "MG Breast Screening" },
        }
    }

    /// Conclusion of a normal exam (G).
    pub const fn normal(self) -> Coded {
        match self {
            Self::Chest => coded("408573005", "Imaging result normal"),
            Self::Mammo => coded("168749009", "Mammography normal"),
        }
    }

    /// Conclusion of an abnormal exam (G).
    pub const fn abnormal(self) -> Coded {
        match self {
            Self::Chest => coded("168734001", "Standard chest X-ray abnormal"),
            Self::Mammo => coded("168750009", "Mammography abnormal"),
        }
    }

    /// The body site that the exam shows (G).
    pub const fn body_site(self) -> Coded {
        match self {
            Self::Chest => THORAX,
            Self::Mammo => coded("76752008", "Breast structure"),
        }
    }
}

/// Whether a text is a SNOMED CT identifier by form: 6 to 18 digits with a Verhoeff check digit.
///
/// ```
/// assert!(doubleread::vocab::is_sct_identifier("73056007"));
/// assert!(!doubleread::vocab::is_sct_identifier("73056008"));
/// ```
pub fn is_sct_identifier(text: &str) -> bool {
    // Verhoeff 1969: multiplication of the dihedral group D5, and the permutation by place.
    const TIMES: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const PLACE: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    if !(6..=18).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let at = |row: Option<&[u8; 10]>, column: u8| row.and_then(|r| r.get(usize::from(column))).copied();
    let check = text.bytes().rev().enumerate().try_fold(0_u8, |sum, (place, byte)| {
        let digit = at(PLACE.get(place % 8), byte - b'0')?;
        at(TIMES.get(usize::from(sum)), digit)
    });
    check == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_concept_has_a_valid_check_digit() {
        let findings = FindingCode::ALL.iter().flat_map(|f| f.coded().into_iter().chain([f.body_site()]));
        let features = BreastFeature::ALL.iter().filter_map(|f| f.coded());
        let sides = Side::ALL.iter().map(|s| s.breast());
        let lateral = Laterality::ALL.iter().map(|l| l.coded());
        let zones = Zone::ALL.iter().map(|z| z.coded());
        let pathways =
            Pathway::ALL.iter().flat_map(|p| [p.procedure(), p.normal(), p.abnormal(), p.body_site()]);
        let constants = [PRESENT, LATERALITY, IMAGING, CT_OF_CHEST];
        let all = findings.chain(features).chain(sides).chain(lateral).chain(zones).chain(pathways);
        for concept in all.chain(constants) {
            assert!(is_sct_identifier(concept.sct), "{concept:?}");
        }
    }

    #[test]
    fn a_wrong_digit_or_length_is_no_concept() {
        for bad in ["", "12345", "60046009", "600460O8", "06004600"] {
            assert!(!is_sct_identifier(bad), "{bad}");
        }
    }
}
