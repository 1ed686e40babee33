//! What an image shows, by its attributes.
//!
//! In: an instance. Out: its view, or `None` where the attributes don't say. Codes come
//! first (PS3.16 CID 4014), then View Position (0018,5101), then words.

use super::{Instance, InstanceTags, MammoView, Pathway, Projection, Side};

/// A chest view, as far as completeness needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChestView {
    /// Postero-anterior or antero-posterior.
    Frontal,
    /// Left or right lateral.
    Lateral,
}

/// What an image shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// Of a chest.
    Chest(ChestView),
    /// Of a breast.
    Mammo(MammoView),
}

impl std::fmt::Display for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            View::Chest(ChestView::Frontal) => f.write_str("frontal"),
            View::Chest(ChestView::Lateral) => f.write_str("lateral"),
            View::Mammo(view) => view.fmt(f),
        }
    }
}

/// The view of an image on its pathway. Spot, magnification and other modified mammographic
/// views count as no view: they don't stand in for a standard one.
pub fn view_of(pathway: Pathway, instance: &Instance) -> Option<View> {
    match pathway {
        Pathway::Chest => chest_view(&instance.tags).map(View::Chest),
        Pathway::Mammo if is_modified(&instance.tags) => None,
        Pathway::Mammo => mammo_view(&instance.tags).map(View::Mammo),
    }
}

/// Digital mammography classes, and CR or DX objects whose attributes say breast.
pub fn is_mammogram(instance: &Instance) -> bool {
    const MAMMOGRAPHY: [&str; 2] = ["1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.1.2.1"];
    let tags = &instance.tags;
    let class = instance.sop_class_uid.as_str();
    MAMMOGRAPHY.contains(&class)
        || tags.modality.eq_ignore_ascii_case("MG")
        || tags.body_part.eq_ignore_ascii_case("BREAST")
        || Projection::of_code(code_value(&tags.view_code)).is_some()
        || mammo_view(tags).is_some()
}

fn code_value(code: &str) -> &str {
    code.split('^').next().unwrap_or_default()
}

fn chest_view(tags: &InstanceTags) -> Option<ChestView> {
    let position = tags.view_position.to_ascii_uppercase();
    match position.as_str() {
        "PA" | "AP" | "FRONTAL" => return Some(ChestView::Frontal),
        "LL" | "RL" | "LLD" | "RLD" | "LAT" | "LATERAL" => return Some(ChestView::Lateral),
        _ => {}
    }
    let words = tags.view_code.to_ascii_lowercase();
    let has = |word: &str| words.contains(word);
    if has("oblique") {
        None
    } else if has("postero-anterior") || has("antero-posterior") || has("frontal") {
        Some(ChestView::Frontal)
    } else if has("lateral") {
        Some(ChestView::Lateral)
    } else {
        None
    }
}

fn mammo_view(tags: &InstanceTags) -> Option<MammoView> {
    let position = tags.view_position.to_ascii_uppercase();
    // Some senders write side and projection into View Position: `RCC`.
    if let Ok(view) = position.parse::<MammoView>()
        && position.parse::<Projection>().is_err()
    {
        return Some(view);
    }
    let side = [&tags.image_laterality, &tags.laterality]
        .into_iter()
        .find_map(|text| text.to_ascii_uppercase().parse::<Side>().ok())?;
    let projection = Projection::of_code(code_value(&tags.view_code)).or_else(|| position.parse().ok())?;
    Some(MammoView { side, projection })
}

/// PS3.16 CID 4015: magnification, spot, rolled, tangential, implant displaced and the like.
fn is_modified(tags: &InstanceTags) -> bool {
    // Axillary tail and nipple in profile are still the whole breast.
    tags.view_modifiers.split('\\').filter(|code| !code.is_empty()).any(|code| {
        let code = code.to_ascii_lowercase();
        !code.contains("axillary") && !code.contains("nipple")
    })
}
