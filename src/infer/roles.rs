//! Which models of a folder speak, which run in the shadow. Pure.
//!
//! In: what the configuration names, what people decided (`doubleread model activate`), and the
//! manifests. Out: the folders in force on a pathway, in order. Never a guess: where several
//! models could speak for the same patients and nobody chose, none does.

use std::collections::BTreeMap;

use super::manifest::Manifest;
use crate::vocab::{Pathway, coded_enum};

coded_enum!(
    /// What people decided about a model version.
    ModelRole, "role of a model" {
        /// It speaks on its pathway, to the patients of its scope.
        Active = "active",
        /// It scores live cases at low priority; readers never see it.
        Shadow = "shadow",
        /// It does not run any more; its results can be replayed.
        Retired = "retired",
    }
);

/// Roles by folder, as people decided.
pub type Roles = BTreeMap<String, ModelRole>;

/// The folders in force on a pathway, or why there are none.
///
/// The configuration comes first (`named`), then people's decisions, then the models themselves:
/// where nobody chose, all that speak for different ages, demonstrations only where nothing else does.
pub(super) fn in_force<'a>(
    pathway: Pathway,
    named: &[String],
    roles: &Roles,
    models: impl Iterator<Item = (&'a str, &'a Manifest)>,
) -> Result<Vec<String>, String> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let here: Vec<(&str, &Manifest)> = models.filter(|(_, manifest)| manifest.pathway == pathway).collect();
    let role = |folder: &str| roles.get(folder).copied();
    let chosen: Vec<String> = here
        .iter()
        .filter(|(folder, _)| role(folder) == Some(ModelRole::Active))
        .map(|(folder, _)| (*folder).to_owned())
        .collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    let free = here.iter().copied().filter(|(folder, _)| role(folder).is_none());
    let (demonstrations, real): (Vec<_>, Vec<_>) = free.partition(|(_, manifest)| manifest.demonstration);
    // A demonstration stands back for the ages that another model speaks for.
    let stands_back = |one: &Manifest| real.iter().any(|(_, other)| overlap(one, other));
    let shown: Vec<_> = demonstrations.into_iter().filter(|(_, manifest)| !stands_back(manifest)).collect();
    // What takes drawn images alone comes first: it lets go of a real one by its tags.
    let mut candidates: Vec<_> = real.iter().copied().chain(shown).collect();
    candidates.sort_by_key(|(_, manifest)| !manifest.scope.only_phantoms);
    let contested = candidates
        .iter()
        .enumerate()
        .any(|(index, (_, one))| candidates.iter().skip(index + 1).any(|(_, other)| overlap(one, other)));
    match (candidates.len(), contested) {
        (0, _) => Err("none is there".to_owned()),
        (several, true) => Err(format!(
            "{several} are there for the same patients; name one in infer.active.{pathway}, or `doubleread model activate` one"
        )),
        _ => Ok(candidates.iter().map(|(folder, _)| (*folder).to_owned()).collect()),
    }
}

/// Whether two models speak for some images together: of an age that both take, and both real or both drawn.
fn overlap(one: &Manifest, other: &Manifest) -> bool {
    if one.scope.only_phantoms != other.scope.only_phantoms {
        return false;
    }
    let from = |m: &Manifest| m.scope.min_age_years.unwrap_or(0.0);
    let to = |m: &Manifest| m.scope.max_age_years.unwrap_or(f64::INFINITY);
    from(one) <= to(other) && from(other) <= to(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(scope: &str, demonstration: bool) -> Manifest {
        Manifest::parse(&format!(
            "name = 'm'\nversion = '1'\npathway = 'chest'\nfile = 'model.onnx'\nsha256 = '{}'\ncard = 'CARD.md'\n\
             trained_on = 'nothing'\ndemonstration = {demonstration}\noperating_point = 'only'\n\
             labels = [{{ name = 'abnormal', code = 'abnormality' }}]\n\
             overall = {{ rule = 'label', labels = ['abnormal'] }}\n\
             operating_points = [{{ name = 'only', chosen_on = 'a test', overall = 0.5 }}]\n\
             graph = {{ input = 'image', scores = 'scores', activation = 'probabilities', batch = {{ fixed = 1 }} }}\n\
             [input]\npreprocessing = 'tiny-v1'\nwidth = 4\nheight = 4\nrange = 'unit'\nresize = 'area'\n\
             aspect = 'stretch'\nwindowing = 'voi'\n[scope]\n{scope}\n",
            "0".repeat(64)
        ))
        .expect("a manifest")
    }

    fn choice(
        named: &[&str],
        roles: &[(&str, ModelRole)],
        models: &[(&str, &Manifest)],
    ) -> Result<Vec<String>, String> {
        let named: Vec<String> = named.iter().map(|n| (*n).to_owned()).collect();
        let roles = roles.iter().map(|(folder, role)| ((*folder).to_owned(), *role)).collect();
        in_force(Pathway::Chest, &named, &roles, models.iter().copied())
    }

    #[test]
    fn adults_and_children_have_a_model_each_and_a_demonstration_stands_back() {
        let adult = manifest("min_age_years = 16.0", false);
        let child = manifest("min_age_years = 1.0\nmax_age_years = 5.99", false);
        let demonstration = manifest("min_age_years = 16.0", true);
        let all = [("adult-1", &adult), ("child-1", &child), ("demo-1", &demonstration)];
        assert_eq!(choice(&[], &[], &all).unwrap(), ["adult-1", "child-1"]);
        let phantoms = manifest("min_age_years = 16.0\nonly_phantoms = true", true);
        let with_phantoms = [("adult-1", &adult), ("child-1", &child), ("drawn-1", &phantoms)];
        assert_eq!(choice(&[], &[], &with_phantoms).unwrap(), ["drawn-1", "adult-1", "child-1"]);
        assert_eq!(
            choice(&[], &[], &all[1..]).unwrap(),
            ["child-1", "demo-1"],
            "nothing else speaks for adults"
        );
        assert_eq!(choice(&["demo-1"], &[], &all).unwrap(), ["demo-1"]);
    }

    #[test]
    fn of_two_for_the_same_patients_none_speaks_until_someone_chooses() {
        let one = manifest("", false);
        let other = manifest("", false);
        let both = [("m-1", &one), ("m-2", &other)];
        assert!(choice(&[], &[], &both).unwrap_err().contains("infer.active.chest"));
        assert_eq!(choice(&[], &[("m-2", ModelRole::Active)], &both).unwrap(), ["m-2"]);
        assert_eq!(choice(&[], &[("m-2", ModelRole::Shadow)], &both).unwrap(), ["m-1"]);
        assert_eq!(choice(&[], &[("m-1", ModelRole::Retired)], &both).unwrap(), ["m-2"]);
        assert!(choice(&[], &[], &[]).is_err());
    }
}
