//! Three layers of settings, each value with the layer that it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;

/// Variables that begin so are settings: `DOUBLEREAD_SECTION_KEY`, such as `DOUBLEREAD_HTTP_LISTEN`.
const PREFIX: &str = "DOUBLEREAD_";
/// Names that other systems rely on, beside the pattern.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("DOUBLEREAD_DATA_DIR", "service.data_dir"),
    ("DOUBLEREAD_DIMSE_LISTEN", "receive.listen"),
    ("DOUBLEREAD_ORT_DYLIB", "infer.runtime_library"),
    // Settings that have no default value stand in no list of defaults.
    ("DOUBLEREAD_INFER_RUNTIME_LIBRARY", "infer.runtime_library"),
    ("DOUBLEREAD_INFER_FALLBACK", "infer.fallback"),
    ("DOUBLEREAD_INFER_ACTIVE_CHEST", "infer.active.chest"),
    ("DOUBLEREAD_INFER_ACTIVE_MAMMO", "infer.active.mammo"),
    ("DOUBLEREAD_POST_ENDPOINT_BEARER_TOKEN_FILE", "post.endpoint.bearer_token_file"),
    ("DOUBLEREAD_RECEIVE_UNKNOWN_SOURCES", "receive.unknown_sources"),
];
/// Variables of the test suite, which are no settings.
const OF_TESTS: &[&str] = &["DOUBLEREAD_SHARED_DATA", "DOUBLEREAD_TEST_SEED"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "${name}"),
        }
    }
}

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML, or holds a key or a value that is not known.
    #[error("{}:{line}: {message}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong, with the nearest known key.
        message: String,
    },
    /// An environment variable is not a known setting or has a value of the wrong kind.
    #[error("environment: {message}")]
    Environment {
        /// What is wrong.
        message: String,
    },
}

/// The merged settings and where each came from.
#[derive(Debug, Clone)]
pub struct Layered {
    merged: Table,
    origins: BTreeMap<String, Origin>,
}

impl Layered {
    /// Merges the defaults, `path` if given, and the variables that begin with `DOUBLEREAD_`.
    pub fn read(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let defaults = Table::try_from(Config::default())
            .map_err(|error| ConfigError::Environment { message: error.to_string() })?;
        let mut layered = Self { merged: Table::new(), origins: BTreeMap::new() };
        layered.lay_over(defaults, &Origin::Default);
        if let Some(path) = path {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
            // Read as a whole first, so that an unknown key is found at its own line.
            toml::from_str::<Config>(&text).map_err(|error| in_file(path, &text, &error))?;
            let table: Table = text.parse().map_err(|error| in_file(path, &text, &error))?;
            layered.lay_over(table, &Origin::File(path.to_owned()));
        }
        let known: Vec<String> = layered.origins.keys().cloned().collect();
        for (name, value) in environment {
            if !name.starts_with(PREFIX) || OF_TESTS.contains(&name.as_str()) {
                continue;
            }
            let key = key_of(&name, &known)?;
            let keys: Vec<String> = key.split('.').map(str::to_owned).collect();
            let mut table = Table::new();
            insert_at(&mut table, &keys, parse_value(&value));
            layered.lay_over(table, &Origin::Environment(name.clone()));
        }
        Ok(layered)
    }

    /// The typed settings.
    pub fn config(&self) -> Result<Config, ConfigError> {
        self.merged.clone().try_into().map_err(|error: toml::de::Error| ConfigError::Environment {
            message: with_suggestion(error.message()),
        })
    }

    /// Each setting as `section.key`, its value as TOML, and its origin.
    pub fn values(&self) -> Vec<(String, String, Origin)> {
        let mut leaves = Vec::new();
        collect(&self.merged, "", &mut leaves);
        leaves
            .into_iter()
            .map(|(key, value)| {
                let origin = self.origins.get(&key).cloned().unwrap_or(Origin::Default);
                (key, value.to_string(), origin)
            })
            .collect()
    }

    fn lay_over(&mut self, table: Table, origin: &Origin) {
        let mut leaves = Vec::new();
        collect(&table, "", &mut leaves);
        for (key, _) in &leaves {
            self.origins.insert(key.clone(), origin.clone());
        }
        merge(&mut self.merged, table);
    }
}

/// The setting that a variable names.
fn key_of(name: &str, known: &[String]) -> Result<String, ConfigError> {
    let variable = |key: &str| format!("{PREFIX}{}", key.to_uppercase().replace('.', "_"));
    if let Some((_, key)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
        return Ok((*key).to_owned());
    }
    if let Some(key) = known.iter().find(|key| variable(key) == name) {
        return Ok(key.clone());
    }
    let names =
        known.iter().map(|key| variable(key)).chain(SHORT_NAMES.iter().map(|(short, _)| (*short).to_owned()));
    let nearest =
        names.max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let message = format!("unknown variable {name}, did you mean {}?", nearest.unwrap_or_default());
    Err(ConfigError::Environment { message })
}

fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn collect(table: &Table, path: &str, leaves: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Table(inner) => collect(inner, &full, leaves),
            value => leaves.push((full, value.clone())),
        }
    }
}

fn insert_at(table: &mut Table, keys: &[String], value: Value) {
    match keys {
        [] => {}
        [last] => {
            table.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert_at(inner, rest, value);
            }
        }
    }
}

/// A variable's text as TOML if it is that (`8`, `true`, `["a"]`), else as a plain string.
fn parse_value(text: &str) -> Value {
    format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn in_file(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let offset = error.span().map_or(0, |span| span.start);
    let line = text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1;
    ConfigError::File { path: path.to_owned(), line, message: with_suggestion(error.message()) }
}

/// Adds "did you mean" where serde lists what it expected.
fn with_suggestion(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(given) = quoted.next().filter(|_| message.starts_with("unknown")) else {
        return message.to_owned();
    };
    let nearest =
        quoted.max_by(|a, b| strsim::jaro_winkler(given, a).total_cmp(&strsim::jaro_winkler(given, b)));
    match nearest {
        Some(nearest) if strsim::jaro_winkler(given, nearest) > 0.7 => {
            format!("unknown key `{given}`, did you mean `{nearest}`?")
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("doubleread.toml");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_typing_error_names_file_line_and_the_nearest_key() {
        let (_dir, path) = written("[service]\ntime_zone = \"UTC\"\ndata_dri = \"x\"\n");
        let error = Layered::read(Some(&path), std::iter::empty()).unwrap_err().to_string();
        assert!(error.contains("doubleread.toml:3:"), "{error}");
        assert!(error.contains("did you mean `data_dir`?"), "{error}");
    }

    #[test]
    fn the_environment_lies_over_the_file_and_the_file_over_the_defaults() {
        let (_dir, path) = written("[service]\ntime_zone = \"UTC\"\n[database.limits]\nsqlite_readers = 3\n");
        let variables = [("DOUBLEREAD_DATABASE_LIMITS_SQLITE_READERS".to_owned(), "5".to_owned())];
        let layered = Layered::read(Some(&path), variables.into_iter()).unwrap();
        let config = layered.config().unwrap();
        assert_eq!((config.database.limits.sqlite_readers, config.service.time_zone.as_str()), (5, "UTC"));
        let origin = |key: &str| layered.values().into_iter().find(|v| v.0 == key).unwrap().2.to_string();
        assert_eq!(origin("database.limits.sqlite_readers"), "$DOUBLEREAD_DATABASE_LIMITS_SQLITE_READERS");
        assert_eq!(origin("service.synthetic_patients"), "default");
    }

    #[test]
    fn an_unknown_variable_is_refused() {
        let variables = [("DOUBLEREAD_HTTP_LISTN".to_owned(), "x".to_owned())];
        let error = Layered::read(None, variables.into_iter()).unwrap_err().to_string();
        assert!(error.contains("did you mean DOUBLEREAD_HTTP_LISTEN?"), "{error}");
    }

    #[test]
    fn the_names_that_others_rely_on_are_settings() {
        let variables = [
            ("DOUBLEREAD_DATA_DIR", "/srv/data"),
            ("DOUBLEREAD_DIMSE_LISTEN", "127.0.0.1:104"),
            ("DOUBLEREAD_HTTP_LISTEN", "127.0.0.1:8081"),
            ("DOUBLEREAD_DATABASE_URL", "postgres://host/name"),
            ("DOUBLEREAD_ORT_DYLIB", "/opt/libonnxruntime.so"),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Layered::read(None, variables).unwrap().config().unwrap();
        assert_eq!(config.service.data_dir, Path::new("/srv/data"));
        assert_eq!(config.receive.listen.port(), 104);
        assert_eq!(config.http.listen.port(), 8081);
        assert_eq!(config.database.url, "postgres://host/name");
        assert_eq!(config.infer.runtime_library.as_deref(), Some(Path::new("/opt/libonnxruntime.so")));
    }

    #[test]
    fn the_example_lists_every_setting_with_its_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/doubleread.example.toml");
        let example = Layered::read(Some(&path), std::iter::empty()).unwrap();
        let defaults = Layered::read(None, std::iter::empty()).unwrap();
        for ((key, value, origin), (_, default, _)) in example.values().into_iter().zip(defaults.values()) {
            assert_ne!(origin, Origin::Default, "{key} is not in the example");
            assert_eq!(value, default, "{key} has another value in the example");
        }
        assert_eq!(example.values().len(), defaults.values().len());
    }
}
