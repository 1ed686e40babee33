//! Whether the sides of an opinion agree: the finding, its mark on the image, and the words beside it.
//!
//! In: the images as they are stored, an opinion, a comment. Out: nothing, or the one line that says what
//! contradicts what. A side is the one thing of a report that harms by a slip of the hand, so that a
//! contradiction stops the lock; what can't be told from image or words is let through.

use crate::vocab::{
    Assessment, BreastOpinion, ChestFinding, ChestOpinion, FindingCode, Laterality, MammoOpinion, Mark,
    Opinion, Side, SopInstanceUid,
};

use super::refusal::Refusal;

/// Part of the width at each side of the middle of a frontal film on which a mark tells no side: the
/// middle of the patient is seldom exactly the middle of the film.
const MIDLINE_BAND: f64 = 0.08;

/// An image of a case, as far as a mark on it tells a side.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownImage {
    /// The instance.
    pub sop_instance_uid: SopInstanceUid,
    /// Columns of the stored pixels.
    pub columns: u32,
    /// Rows of the stored pixels.
    pub rows: u32,
    /// Frames.
    pub frames: u32,
    /// The breast that a mammogram shows.
    pub breast: Option<Side>,
    /// The side of the patient at the left edge of a frontal chest film, where that is known.
    pub left_edge: Option<Side>,
}

impl ShownImage {
    /// The side of the patient that a mark lies on, where it tells one.
    fn side_of(&self, mark: &Mark) -> Option<Side> {
        if self.breast.is_some() {
            return self.breast;
        }
        let left_edge = self.left_edge?;
        let width = f64::from(self.columns.max(1));
        let (from, to) = (mark.x / width - 0.5, (mark.x + mark.width) / width - 0.5);
        let centre = (from + to) / 2.0;
        let reaches_over = from < -MIDLINE_BAND && to > MIDLINE_BAND;
        if reaches_over || centre.abs() <= MIDLINE_BAND {
            return None;
        }
        Some(if centre < 0.0 { left_edge } else { other(left_edge) })
    }

    fn holds(&self, mark: &Mark) -> bool {
        let inside = |at: f64, size: f64, edge: u32| at >= 0.0 && at + size <= f64::from(edge) + 1.0;
        mark.frame >= 1
            && mark.frame <= self.frames.max(1)
            && inside(mark.x, mark.width, self.columns)
            && inside(mark.y, mark.height, self.rows)
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Right => Side::Left,
        Side::Left => Side::Right,
    }
}

/// Refuses an opinion whose marks lie beyond their image, or whose sides contradict each other.
///
/// # Errors
/// [`Refusal::UnknownImage`], [`Refusal::MarkOutside`] or [`Refusal::SidesContradict`], which says which
/// part says what.
pub fn check_sides(images: &[ShownImage], opinion: &Opinion, comment: &str) -> Result<(), Refusal> {
    match opinion {
        Opinion::Chest(ChestOpinion::Abnormal { findings }) => check_chest(images, findings, comment),
        Opinion::Mammo(MammoOpinion::Recall { right, left }) => check_mammo(images, right, left, comment),
        Opinion::Chest(ChestOpinion::Normal | ChestOpinion::Inadequate { .. })
        | Opinion::Mammo(MammoOpinion::Normal | MammoOpinion::TechnicalRecall { .. }) => Ok(()),
    }
}

fn check_chest(images: &[ShownImage], findings: &[ChestFinding], comment: &str) -> Result<(), Refusal> {
    for finding in findings {
        let Some(mark) = &finding.mark else { continue };
        let marked = image_of(images, mark)?.side_of(mark);
        // The heart and the mediastinum reach over the midline by nature.
        let paired = !matches!(
            finding.code,
            FindingCode::Cardiomegaly | FindingCode::MediastinalWidening | FindingCode::HiatusHernia
        );
        if let (Some(said), Some(marked), true) = (one_side(finding.side), marked, paired)
            && said != marked
        {
            let (what, said, marked) = (finding.code.words(), said.words(), marked.words());
            return contradict(format!("{what} is said to be {said}, its mark lies on the {marked}"));
        }
    }
    let sides: Vec<Side> = findings.iter().filter_map(|finding| one_side(finding.side)).collect();
    let whole = sides.len() == findings.len();
    let (Some(side), true) = (sides.first().copied(), whole) else { return Ok(()) };
    if sides.iter().any(|one| *one != side) {
        return Ok(());
    }
    match side_in_words(comment) {
        Some(written) if written != side => contradict(format!(
            "every finding is {}, the comment speaks of the {} alone",
            side.words(),
            written.words()
        )),
        Some(_) | None => Ok(()),
    }
}

fn check_mammo(
    images: &[ShownImage],
    right: &BreastOpinion,
    left: &BreastOpinion,
    comment: &str,
) -> Result<(), Refusal> {
    for (side, breast) in [(Side::Right, right), (Side::Left, left)] {
        for mark in breast.marks.iter().filter_map(|one| one.mark.as_ref()) {
            if let Some(shown) = image_of(images, mark)?.side_of(mark).filter(|shown| *shown != side) {
                let (side, shown) = (side.words(), shown.words());
                return contradict(format!(
                    "a mark of the {side} breast lies on an image of the {shown} breast"
                ));
            }
        }
        if breast.assessment == Assessment::Normal && !breast.marks.is_empty() {
            let side = side.words();
            return contradict(format!("the {side} breast is said to be normal and has a mark"));
        }
    }
    let recalled = match (right.assessment, left.assessment) {
        (Assessment::Normal, Assessment::Clinical | Assessment::Abnormal) => Side::Left,
        (Assessment::Clinical | Assessment::Abnormal, Assessment::Normal) => Side::Right,
        (_, _) => return Ok(()),
    };
    match side_in_words(comment) {
        Some(written) if written != recalled => contradict(format!(
            "the recall is for the {} breast, the comment speaks of the {} alone",
            recalled.words(),
            written.words()
        )),
        Some(_) | None => Ok(()),
    }
}

fn contradict(problem: String) -> Result<(), Refusal> {
    Err(Refusal::SidesContradict { problem })
}

fn image_of<'a>(images: &'a [ShownImage], mark: &Mark) -> Result<&'a ShownImage, Refusal> {
    let image = images
        .iter()
        .find(|image| image.sop_instance_uid == mark.sop_instance_uid)
        .ok_or(Refusal::UnknownImage)?;
    if image.holds(mark) { Ok(image) } else { Err(Refusal::MarkOutside) }
}

fn one_side(side: Option<Laterality>) -> Option<Side> {
    match side {
        Some(Laterality::Right) => Some(Side::Right),
        Some(Laterality::Left) => Some(Side::Left),
        Some(Laterality::Bilateral | Laterality::Midline) | None => None,
    }
}

/// The one side that a text speaks of; nothing where it speaks of none or of both. A clause that denies
/// ("nothing on the right") says nothing of where the finding is.
fn side_in_words(text: &str) -> Option<Side> {
    let text = text.to_lowercase();
    let mut found: Option<Side> = None;
    for clause in text.split(['.', ';', ',', '\n']) {
        let words: Vec<&str> =
            clause.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
        if words.iter().any(|word| DENIALS.contains(word)) {
            continue;
        }
        for (at, word) in words.iter().enumerate() {
            let next = words.get(at + 1).copied().unwrap_or_default();
            let before = at.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
            let side = match *word {
                "right" | "rt" | "rhs" if !matches!(next, "away" | "now") && before != "all" => Side::Right,
                "left" | "lt" | "lhs" if next != "over" => Side::Left,
                _ => continue,
            };
            if found.is_some_and(|earlier| earlier != side) {
                return None;
            }
            found = Some(side);
        }
    }
    found
}

const DENIALS: [&str; 7] = ["no", "not", "nothing", "without", "normal", "clear", "than"];
