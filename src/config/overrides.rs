//! Single settings from outside of the file: variables, then flags.
//!
//! In: `DOUBLEREAD_SECTION_KEY` variables and `--set section.key=value`, each as text. Out: the
//! setting that each names and its value, or the nearest known name.

use toml::{Table, Value};

use super::layers::{ConfigError, Origin};

/// Variables that begin so are settings: `DOUBLEREAD_SECTION_KEY`, such as `DOUBLEREAD_HTTP_LISTEN`.
const PREFIX: &str = "DOUBLEREAD_";
/// Names that other systems rely on, beside the pattern.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("DOUBLEREAD_DATA_DIR", "service.data_dir"),
    ("DOUBLEREAD_DIMSE_LISTEN", "receive.listen"),
    ("DOUBLEREAD_ORT_DYLIB", "infer.runtime_library"),
];
/// Settings without a default value, which stand in no list of defaults.
const WITHOUT_DEFAULT: &[&str] = &[
    "infer.runtime_library",
    "infer.fallback",
    "post.endpoint.bearer_token_file",
    "receive.unknown_sources",
];
/// Variables of the test suite, which are no settings.
const OF_TESTS: &[&str] = &["DOUBLEREAD_SHARED_DATA", "DOUBLEREAD_TEST_SEED", "DOUBLEREAD_TEST_SHOTS"];
/// How alike a name must be to be proposed (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.7;

/// A setting given on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag as it was written, such as `--http-listen` or `--set`.
    pub name: String,
    /// The setting, as `section.key`.
    pub key: String,
    /// Its value, as text.
    pub value: String,
}

/// One setting that lies over the file.
pub(super) struct Override {
    pub origin: Origin,
    key: String,
    value: Value,
}

impl Override {
    /// The setting as the tables that lead to it.
    pub(super) fn table(&self) -> Table {
        let mut keys = self.key.rsplit('.');
        let last = keys.next().unwrap_or_default().to_owned();
        let leaf = Table::from_iter([(last, self.value.clone())]);
        keys.fold(leaf, |inner, key| Table::from_iter([(key.to_owned(), Value::Table(inner))]))
    }
}

/// The variables that are settings, then the flags, in the order in which they lie over one another.
pub(super) fn read(
    defaults: &[(String, Value)],
    environment: impl Iterator<Item = (String, String)>,
    flags: &[Flag],
) -> Result<Vec<Override>, ConfigError> {
    let known: Vec<&str> =
        defaults.iter().map(|(key, _)| key.as_str()).chain(WITHOUT_DEFAULT.iter().copied()).collect();
    let mut over = Vec::new();
    let mut add = |key: &str, text: &str, origin: Origin| {
        let default = defaults.iter().find(|(known, _)| known == key).map(|(_, value)| value);
        over.push(Override { origin, key: key.to_owned(), value: parse_value(text, default) });
    };
    for (name, text) in environment {
        if name.starts_with(PREFIX) && !OF_TESTS.contains(&name.as_str()) {
            add(key_of_variable(&name, &known)?, &text, Origin::Environment(name.clone()));
        }
    }
    for flag in flags {
        let Some(key) = known.iter().find(|key| **key == flag.key) else {
            let message = match nearest(&flag.key, known.iter().copied()) {
                Some(key) => format!("flag {}: unknown key {}, did you mean {key}?", flag.name, flag.key),
                None => format!(
                    "flag {}: unknown key {}; doubleread config show lists the keys",
                    flag.name, flag.key
                ),
            };
            return Err(ConfigError::Unknown { message });
        };
        add(key, &flag.value, Origin::Flag(flag.name.clone()));
    }
    Ok(over)
}

/// The setting that a variable names.
fn key_of_variable<'a>(name: &str, known: &[&'a str]) -> Result<&'a str, ConfigError> {
    let variable = |key: &str| format!("{PREFIX}{}", key.to_uppercase().replace('.', "_"));
    if let Some((_, key)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
        return Ok(key);
    }
    if let Some(key) = known.iter().find(|key| variable(key) == name) {
        return Ok(key);
    }
    let names: Vec<String> = known
        .iter()
        .map(|key| variable(key))
        .chain(SHORT_NAMES.iter().map(|(short, _)| (*short).to_owned()))
        .collect();
    let message = match nearest(name, names.iter().map(String::as_str)) {
        Some(nearest) => format!("unknown variable {name}, did you mean {nearest}?"),
        None => format!("unknown variable {name}; doubleread config show lists the keys"),
    };
    Err(ConfigError::Unknown { message })
}

/// The known name that is most like `given`, if one is like it at all.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(alike, _)| *alike > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A text as TOML if it is that (`8`, `true`, `["a"]`), else as a plain string. Where the setting
/// holds a string, only a quoted text is read as TOML: a folder may be called `2024`.
fn parse_value(text: &str, default: Option<&Value>) -> Value {
    let parsed = format!("v = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("v"));
    match parsed {
        Some(value) if value.is_str() || !default.is_some_and(Value::is_str) => value,
        _ => Value::String(text.to_owned()),
    }
}
