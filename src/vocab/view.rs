//! What an image shows: pathway, side, view.

use super::{InvalidValue, coded_enum};

coded_enum!(
    /// The way in which a case is read.
    Pathway, "pathway" { Chest = "chest", Mammo = "mammo" }
);

coded_enum!(
    /// One side of a paired organ, as Image Laterality (0020,0062) codes it.
    Side, "Image Laterality" { Right = "R", Left = "L" }
);

coded_enum!(
    /// Where in the body a finding lies (SNOMED CT laterality qualifiers).
    Laterality, "laterality" { Right = "right", Left = "left", Bilateral = "bilateral", Midline = "midline" }
);

coded_enum!(
    /// Mammographic projection (PS3.16 CID 4014), with the suffix letters of Image Type and View Modifier.
    Projection, "mammographic projection" {
        /// Cranio-caudal.
        Cc = "CC",
        /// Medio-lateral oblique.
        Mlo = "MLO",
        /// Medio-lateral.
        Ml = "ML",
        /// Latero-medial.
        Lm = "LM",
        /// Latero-medial oblique.
        Lmo = "LMO",
        /// Exaggerated cranio-caudal, laterally.
        Xccl = "XCCL",
        /// Exaggerated cranio-caudal, medially.
        Xccm = "XCCM",
        /// Exaggerated cranio-caudal, to which side is not said.
        Xcc = "XCC",
        /// Caudo-cranial (from below).
        Fb = "FB",
        /// Superolateral to inferomedial oblique.
        Sio = "SIO",
        /// Axillary tissue.
        At = "AT",
        /// Cleavage (valley) view.
        Cv = "CV",
    }
);

/// A mammogram whose picture looks like another view or side than its tags say. A notice to check the image; it says
/// nothing of what the image shows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ViewDisagreement {
    /// The image.
    pub sop_instance_uid: super::SopInstanceUid,
    /// What the tags say.
    pub tagged: MammoView,
    /// Which breast the picture looks like, where that is sure.
    pub side: Option<Side>,
    /// Which projection it looks like, where that is sure.
    pub projection: Option<Projection>,
}

/// PS3.16 CID 4014: the projection, its SNOMED CT code, and the older SRT code.
const PROJECTION_CODES: [(Projection, &str, &str); 10] = [
    (Projection::Cc, "399162004", "R-10242"),
    (Projection::Mlo, "399368009", "R-10226"),
    (Projection::Ml, "399260004", "R-10224"),
    (Projection::Lm, "399352003", "R-10228"),
    (Projection::Lmo, "399099002", "R-10230"),
    (Projection::Xccl, "399192008", "R-1024A"),
    (Projection::Xccm, "399101009", "R-1024B"),
    (Projection::Xcc, "399265009", "R-102CF"),
    (Projection::Fb, "399196006", "R-10244"),
    (Projection::Sio, "399188001", "R-102D0"),
];

impl Projection {
    /// The projection of a View Code Sequence (0054,0220) item's Code Value (PS3.16 CID 4014).
    pub fn of_code(code: &str) -> Option<Self> {
        let found = PROJECTION_CODES.iter().find(|(_, snomed, srt)| code == *snomed || code == *srt);
        found.map(|(projection, _, _)| *projection)
    }
}

/// One mammographic view of one breast, such as `RCC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MammoView {
    /// Which breast.
    pub side: Side,
    /// In which projection.
    pub projection: Projection,
}

impl MammoView {
    /// The four views of a standard exam, in hanging order.
    pub const STANDARD: [MammoView; 4] = [
        MammoView { side: Side::Right, projection: Projection::Cc },
        MammoView { side: Side::Left, projection: Projection::Cc },
        MammoView { side: Side::Right, projection: Projection::Mlo },
        MammoView { side: Side::Left, projection: Projection::Mlo },
    ];
}

impl std::fmt::Display for MammoView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.side, self.projection)
    }
}
impl std::str::FromStr for MammoView {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = InvalidValue {
            what: "mammographic view",
            problem: "is not a side and a projection, such as RCC",
        };
        let side = text.get(..1).and_then(|s| s.parse().ok()).ok_or(bad.clone())?;
        let projection = text.get(1..).and_then(|p| p.parse().ok()).ok_or(bad)?;
        Ok(Self { side, projection })
    }
}
impl TryFrom<String> for MammoView {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
impl From<MammoView> for String {
    fn from(view: MammoView) -> String {
        view.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exaggerated_view_is_known_with_its_direction() {
        assert_eq!(Projection::of_code("399192008"), Some(Projection::Xccl));
        assert_eq!(Projection::of_code("399101009"), Some(Projection::Xccm));
        assert_eq!(Projection::of_code("R-1024B"), Some(Projection::Xccm));
        assert_eq!(Projection::of_code("399265009"), Some(Projection::Xcc));
        assert_eq!(Projection::of_code("399173006"), None, "left lateral is not of a breast");
    }

    #[test]
    fn a_view_reads_back_as_written() {
        for view in MammoView::STANDARD {
            assert_eq!(view.to_string().parse::<MammoView>().unwrap(), view);
        }
        assert!("XCC".parse::<MammoView>().is_err());
        assert!("".parse::<MammoView>().is_err());
    }
}
