//! Holds the attributes of an image against a model's scope.
//!
//! In: attributes and [`Scope`]. Out: nothing, or the coded reason in whose favour the tags speak. Tags contradict
//! each other in real files, so every one that is present has to agree.

use super::attributes::{Attributes, PixelLayout};
use super::prepared::refusal;
use super::scope::Scope;
use crate::vocab::{NotProcessed, NotProcessedReason as Reason, Projection};

/// A projection by its View Position (0018,5101) word, with the codes of PS3.16 CID 4010 (SNOMED CT, SRT) and the
/// words that senders use; the codes of mammographic projections are in `vocab`.
const VIEWS: [(&str, &[&str]); 16] = [
    ("PA", &["272479007", "R-40888", "R-10214", "POSTERO-ANTERIOR", "POSTEROANTERIOR"]),
    ("AP", &["399348003", "R-10206", "ANTERO-POSTERIOR", "ANTEROPOSTERIOR"]),
    ("FRONTAL", &["399033003", "R-10202"]),
    (
        "LATERAL",
        &[
            "399067008",
            "R-102CD",
            "399198007",
            "R-10232",
            "399173006",
            "R-10236",
            "LL",
            "RL",
            "LAT",
            "LEFT LATERAL",
            "RIGHT LATERAL",
            "LLAT",
            "RLAT",
            "LATERAL PROJECTION",
        ],
    ),
    ("LLD", &["LEFT LATERAL DECUBITUS"]),
    ("RLD", &["RIGHT LATERAL DECUBITUS"]),
    ("OBLIQUE", &["399182000", "R-102C1", "RLO", "LLO", "LAO", "RAO", "LPO", "RPO"]),
    ("CC", &["CRANIO-CAUDAL", "CRANIOCAUDAL"]),
    ("MLO", &["MEDIO-LATERAL OBLIQUE", "MEDIOLATERAL OBLIQUE"]),
    ("ML", &["MEDIO-LATERAL", "MEDIOLATERAL"]),
    ("LM", &["LATERO-MEDIAL", "LATEROMEDIAL"]),
    ("LMO", &["LATERO-MEDIAL OBLIQUE"]),
    ("XCCL", &[]),
    ("XCCM", &[]),
    ("XCC", &[]),
    ("FB", &["CAUDO-CRANIAL"]),
];

/// Words and codes that mean the two body parts of this service, whatever a manifest lists.
const BODY_PARTS: [(&str, &[&str]); 2] = [
    ("CHEST", &["THORAX", "LUNG", "LUNGS", "CXR", "816094009", "51185008", "T-D3000", "39607008", "T-28000"]),
    ("BREAST", &["MAMMA", "BREASTS", "76752008", "T-04000"]),
];

const SPOT: &str = "spot compression";
const IMPLANT_DISPLACED: &str = "implant displaced";

/// View modifiers (PS3.16 CID 4015) that take an image out of the ordinary.
const MODIFIERS: [(&str, &[&str]); 3] = [
    (SPOT, &["399055006", "R-102D7", "SPOT COMPRESSION"]),
    ("magnification", &["399163009", "R-102D6", "MAGNIFICATION"]),
    (IMPLANT_DISPLACED, &["399209000", "R-102D5", "IMPLANT DISPLACED"]),
];

/// A geometric magnification above this is a magnification view; contact mammography stays below 1.2.
const MAGNIFICATION_VIEW: f64 = 1.4;

/// Says why the tags put an image out of scope; the commonest reasons for a radiographer come first.
pub(super) fn check_scope(
    attributes: &Attributes,
    layout: &PixelLayout,
    scope: &Scope,
) -> Result<(), NotProcessed> {
    if scope.only_phantoms && !is_phantom(attributes) {
        let detail = "Manufacturer and model name are not those of the phantom generator";
        return Err(refusal(Reason::NotSynthetic, detail));
    }
    check_kind(attributes, scope)?;
    check_body_part(attributes, scope)?;
    check_view(attributes, scope)?;
    check_age(attributes, scope)?;
    check_modifiers(attributes, scope)?;
    if !scope.allow_for_processing && upper(&attributes.presentation_intent) == "FOR PROCESSING" {
        return Err(refusal(Reason::ForProcessing, "Presentation Intent Type is FOR PROCESSING"));
    }
    if !layout.is_grey() {
        return Err(refusal(Reason::NotGreyscale, "Photometric Interpretation is not MONOCHROME1 or 2"));
    }
    if layout.bits_stored < scope.min_bits_stored {
        let detail =
            format!("Bits Stored is {}, the model needs {}", layout.bits_stored, scope.min_bits_stored);
        return Err(refusal(Reason::TooFewBits, detail));
    }
    if layout.rows < scope.min_rows || layout.columns < scope.min_columns {
        let (rows, columns) = (layout.rows, layout.columns);
        let (least_rows, least_columns) = (scope.min_rows, scope.min_columns);
        let detail = format!("{columns} x {rows} pixels, the model needs {least_columns} x {least_rows}");
        return Err(refusal(Reason::TooSmall, detail));
    }
    if layout.frames > 1 {
        return Err(refusal(Reason::UnsupportedObject, format!("{} frames, not one image", layout.frames)));
    }
    Ok(())
}

/// Whether the image says that the project's own generator drew it.
fn is_phantom(attributes: &Attributes) -> bool {
    let (manufacturer, model) = &attributes.equipment;
    manufacturer.trim() == "Doubleread" && model.trim() == "Phantom generator"
}

fn check_kind(attributes: &Attributes, scope: &Scope) -> Result<(), NotProcessed> {
    let modality = upper(&attributes.modality);
    if !scope.modalities.is_empty() && !scope.modalities.iter().any(|m| upper(m) == modality) {
        let what =
            if modality.is_empty() { "Modality is absent".into() } else { format!("Modality is {modality}") };
        let other = match other_tags_say(attributes) {
            Some(kind) => format!("{what}, though body part and view say {kind}: its tags disagree"),
            None => what,
        };
        return Err(refusal(Reason::WrongModality, other));
    }
    let class = attributes.sop_class.as_str();
    if !scope.sop_classes.is_empty() && !scope.sop_classes.iter().any(|c| c == class) {
        return Err(refusal(
            Reason::UnsupportedObject,
            format!("SOP Class {class} is not in the model's scope"),
        ));
    }
    Ok(())
}

/// What body part and view together say that an image is, where they say it clearly.
fn other_tags_say(attributes: &Attributes) -> Option<&'static str> {
    let view = view_of(attributes).ok().flatten()?;
    let body_part = upper(&attributes.body_part);
    let means = |name: &str| is_body_part(&body_part, name, &[]);
    match view {
        "CC" | "MLO" | "ML" | "LM" | "LMO" | "XCCL" | "XCCM" | "XCC" | "FB" | "SIO" if means("BREAST") => {
            Some("mammogram")
        }
        "PA" | "AP" | "FRONTAL" | "LATERAL" if means("CHEST") => Some("chest film"),
        _ => None,
    }
}

fn check_body_part(attributes: &Attributes, scope: &Scope) -> Result<(), NotProcessed> {
    if scope.body_parts.is_empty() {
        return Ok(());
    }
    let allowed = |word: &str| {
        scope.body_parts.iter().any(|part| is_body_part(&upper(word), &upper(&part.name), &part.aliases))
    };
    let named = &attributes.body_part;
    if !named.is_empty() && !allowed(named) {
        let detail = format!("Body Part Examined is {}", short(named));
        return Err(refusal(Reason::WrongBodyPart, detail));
    }
    if !attributes.regions.is_empty() && !attributes.regions.iter().any(|r| allowed(r)) {
        let detail = "Anatomic Region Sequence names another body part";
        return Err(refusal(Reason::WrongBodyPart, detail));
    }
    // A mammography object is of the breast by definition; its body part is often left out (PS3.3 A.27).
    let by_class = attributes.sop_class.starts_with("1.2.840.10008.5.1.4.1.1.1.2") && allowed("BREAST");
    if named.is_empty() && attributes.regions.is_empty() && !by_class && !scope.allow_missing_body_part {
        return Err(refusal(
            Reason::WrongBodyPart,
            "neither Body Part Examined nor Anatomic Region is given",
        ));
    }
    Ok(())
}

fn is_body_part(word: &str, name: &str, aliases: &[String]) -> bool {
    let built_in = BODY_PARTS.iter().filter(|(part, _)| *part == name).flat_map(|(_, words)| *words);
    word == name || aliases.iter().any(|a| upper(a) == word) || built_in.into_iter().any(|w| *w == word)
}

fn check_view(attributes: &Attributes, scope: &Scope) -> Result<(), NotProcessed> {
    let view = view_of(attributes).map_err(|(one, other)| {
        refusal(Reason::UnsupportedView, format!("one tag says {one}, another {other}"))
    })?;
    if scope.refuse_lateral && view == Some("LATERAL") {
        return Err(refusal(Reason::LateralView, "the view is lateral"));
    }
    if scope.views.is_empty() {
        return Ok(());
    }
    match view {
        Some(view) if scope.views.iter().any(|v| upper(v) == view) => Ok(()),
        Some(view) => Err(refusal(Reason::UnsupportedView, format!("the view is {view}"))),
        None if attributes.views.is_empty() && scope.allow_missing_view => Ok(()),
        None if attributes.views.is_empty() => {
            Err(refusal(Reason::UnsupportedView, "neither View Position nor View Code is given"))
        }
        None => Err(refusal(Reason::UnsupportedView, "the view is none that is known here")),
    }
}

/// The one view that all tags agree on; both names where they don't.
fn view_of(attributes: &Attributes) -> Result<Option<&'static str>, (&'static str, &'static str)> {
    let mut found: Option<&'static str> = None;
    for word in &attributes.views {
        let word = upper(word);
        let known = || VIEWS.iter().find(|(name, others)| *name == word || others.contains(&word.as_str()));
        let name =
            Projection::of_code(&word).map(Projection::code).or_else(|| known().map(|(name, _)| *name));
        match (found, name) {
            (Some(one), Some(other)) if one != other => return Err((one, other)),
            (_, Some(name)) => found = Some(name),
            (_, None) => {}
        }
    }
    Ok(found)
}

fn check_age(attributes: &Attributes, scope: &Scope) -> Result<(), NotProcessed> {
    // Nobody has a mammogram at the age of 0: a zero there is what de-identification left, and says nothing. On other
    // images it may be a newborn's.
    let is_placeholder = |age: &f64| *age <= 0.0 && upper(&attributes.modality) == "MG";
    let age = attributes.age_years.filter(|age| !is_placeholder(age));
    match (age, scope.min_age_years, scope.max_age_years) {
        (Some(age), Some(least), _) if age < least => {
            Err(refusal(Reason::UnderAge, format!("younger than {least} years")))
        }
        (Some(age), _, Some(most)) if age > most => {
            Err(refusal(Reason::OverAge, format!("older than {most} years")))
        }
        (None, Some(_), _) if scope.refuse_unknown_age => {
            Err(refusal(Reason::UnderAge, "neither age nor birth date is given"))
        }
        (None, _, Some(_)) if scope.refuse_unknown_age => {
            Err(refusal(Reason::OverAge, "neither age nor birth date is given"))
        }
        _ => Ok(()),
    }
}

fn check_modifiers(attributes: &Attributes, scope: &Scope) -> Result<(), NotProcessed> {
    let met = |name: &str| {
        let words = MODIFIERS.iter().filter(|(n, _)| *n == name).flat_map(|(_, words)| *words);
        words.into_iter().any(|word| attributes.view_modifiers.iter().any(|m| upper(m) == *word))
    };
    if !scope.allow_implants {
        if upper(&attributes.implant_present) == "YES" {
            return Err(refusal(Reason::Implant, "Breast Implant Present is YES"));
        }
        if met(IMPLANT_DISPLACED) {
            return Err(refusal(Reason::Implant, "the view is implant displaced"));
        }
    }
    if !scope.allow_spot_or_magnification {
        if met(SPOT) {
            return Err(refusal(Reason::SpotOrMagnification, "the view is spot compression"));
        }
        if met("magnification") || attributes.magnification.is_some_and(|factor| factor > MAGNIFICATION_VIEW)
        {
            return Err(refusal(Reason::SpotOrMagnification, "the view is magnified"));
        }
    }
    Ok(())
}

fn upper(word: &str) -> String {
    word.trim().to_ascii_uppercase()
}

/// A coded word from the wire, cut and cleaned so that it can stand in a message.
fn short(word: &str) -> String {
    word.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-')).take(24).collect()
}

#[cfg(test)]
mod tests {
    use super::super::scope::BodyPart;
    use super::*;

    fn layout() -> PixelLayout {
        PixelLayout {
            rows: 2000,
            columns: 2000,
            frames: 1,
            samples_per_pixel: 1,
            planar: false,
            bits_allocated: 16,
            bits_stored: 12,
            high_bit: 11,
            signed: false,
            photometric: "MONOCHROME2".into(),
        }
    }

    fn chest() -> (Attributes, Scope) {
        let attributes = Attributes {
            sop_class: "1.2.840.10008.5.1.4.1.1.1.1".into(),
            modality: "DX".into(),
            body_part: "CHEST".into(),
            views: vec!["PA".into()],
            age_years: Some(50.0),
            ..Attributes::default()
        };
        let scope = Scope {
            modalities: vec!["CR".into(), "DX".into()],
            body_parts: vec![BodyPart { name: "CHEST".into(), aliases: vec![] }],
            views: vec!["PA".into(), "AP".into()],
            min_age_years: Some(18.0),
            ..Scope::default()
        };
        (attributes, scope)
    }

    #[test]
    fn each_tag_out_of_scope_gives_its_own_reason() {
        let (good, scope) = chest();
        let reason = |change: &dyn Fn(&mut Attributes)| {
            let mut attributes = good.clone();
            change(&mut attributes);
            check_scope(&attributes, &layout(), &scope).err().map(|refusal| refusal.reason)
        };
        assert_eq!(reason(&|_| {}), None);
        assert_eq!(reason(&|a| a.body_part = "thorax".into()), None);
        assert_eq!(reason(&|a| a.body_part = "HIP".into()), Some(Reason::WrongBodyPart));
        assert_eq!(
            reason(&|a| a.regions = vec!["29836001".into(), "Hip".into()]),
            Some(Reason::WrongBodyPart)
        );
        assert_eq!(reason(&|a| a.modality = "MR".into()), Some(Reason::WrongModality));
        assert_eq!(reason(&|a| a.views = vec!["LL".into()]), Some(Reason::LateralView));
        assert_eq!(reason(&|a| a.views = vec!["RLD".into()]), Some(Reason::UnsupportedView));
        assert_eq!(reason(&|a| a.views.push("399067008".into())), Some(Reason::UnsupportedView));
        assert_eq!(reason(&|a| a.views.clear()), Some(Reason::UnsupportedView));
        assert_eq!(reason(&|a| a.age_years = Some(6.0)), Some(Reason::UnderAge));
        assert_eq!(reason(&|a| a.age_years = Some(0.0)), Some(Reason::UnderAge));
        assert_eq!(reason(&|a| a.presentation_intent = "FOR PROCESSING".into()), Some(Reason::ForProcessing));
        assert_eq!(reason(&|a| a.implant_present = "YES".into()), Some(Reason::Implant));
        assert_eq!(reason(&|a| a.view_modifiers = vec!["R-102D7".into()]), Some(Reason::SpotOrMagnification));
        assert_eq!(reason(&|a| a.magnification = Some(1.8)), Some(Reason::SpotOrMagnification));
    }

    #[test]
    fn an_age_of_zero_on_a_mammogram_is_no_age() {
        let (mut attributes, mut scope) = chest();
        attributes.modality = "MG".into();
        scope.modalities = vec!["MG".into()];
        attributes.age_years = Some(0.0);
        assert_eq!(check_scope(&attributes, &layout(), &scope), Ok(()));
        scope.refuse_unknown_age = true;
        assert_eq!(check_scope(&attributes, &layout(), &scope).unwrap_err().reason, Reason::UnderAge);
        attributes.age_years = Some(0.5);
        scope.refuse_unknown_age = false;
        assert_eq!(check_scope(&attributes, &layout(), &scope).unwrap_err().reason, Reason::UnderAge);
    }

    #[test]
    fn a_mammogram_that_says_radiograph_is_noticed() {
        let (mut attributes, _) = chest();
        attributes.modality = "RG".into();
        attributes.body_part = "BREAST".into();
        attributes.views = vec!["MLO".into()];
        let scope = Scope { modalities: vec!["MG".into()], ..Scope::default() };
        let refused = check_scope(&attributes, &layout(), &scope).expect_err("out of scope");
        assert_eq!(refused.reason, Reason::WrongModality);
        assert!(refused.detail.contains("say mammogram"), "{}", refused.detail);
    }
}
