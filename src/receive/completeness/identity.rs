//! Do the images of one study speak of one patient?
//!
//! In: instances. Out: which attributes disagree, never their values. Spelling that means
//! nothing (case, carets, padding) is no disagreement, nor is a value that is not there.

use crate::vocab::Instance;

/// The attributes that disagree within a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityConflict {
    /// Their names in the standard.
    pub attributes: Vec<&'static str>,
}

/// The conflict within the instances of one study, if there is one.
pub fn conflict_within(instances: &[&Instance]) -> Option<IdentityConflict> {
    let attributes: [(&'static str, fn(&Instance) -> String); 4] = [
        ("Patient ID", |i| i.tags.patient_id.as_ref().map(|id| plain(id.as_str())).unwrap_or_default()),
        ("Patient's Name", |i| plain_name(&i.tags.patient_name)),
        ("Patient's Birth Date", |i| plain(&i.tags.birth_date)),
        ("Patient's Sex", |i| i.tags.sex.map(|sex| sex.code().to_owned()).unwrap_or_default()),
    ];
    let disagrees = |read: fn(&Instance) -> String| {
        let mut values = instances.iter().map(|i| read(i)).filter(|value| !value.is_empty());
        let first = values.next();
        values.any(|value| Some(&value) != first.as_ref())
    };
    let attributes: Vec<_> =
        attributes.into_iter().filter(|(_, read)| disagrees(*read)).map(|(name, _)| name).collect();
    (!attributes.is_empty()).then_some(IdentityConflict { attributes })
}

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase()
}

/// The first component group (PS3.5 section 6.2.1), with separators as spaces.
fn plain_name(name: &str) -> String {
    plain(&name.split('=').next().unwrap_or_default().replace(['^', ',', '.'], " "))
}
