//! Four layers of settings, each value with the layer that it came from: defaults, file, environment, flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;
use super::overrides::{self, Flag, Override};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "${name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
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
    /// A variable or a flag is not a known setting.
    #[error("{message}")]
    Unknown {
        /// What is wrong, with the nearest known name.
        message: String,
    },
    /// The value of a variable or a flag is not one that the setting takes.
    #[error("{origin}: {message}")]
    Value {
        /// Where the value came from.
        origin: Origin,
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
    /// Merges the defaults, `path` if given, the variables that begin with `DOUBLEREAD_`, and the flags.
    pub fn read(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: &[Flag],
    ) -> Result<Self, ConfigError> {
        let defaults = Table::try_from(Config::default())
            .map_err(|error| ConfigError::Value { origin: Origin::Default, message: error.to_string() })?;
        let mut layered = Self { merged: Table::new(), origins: BTreeMap::new() };
        layered.lay_over(defaults.clone(), &Origin::Default);
        if let Some(path) = path {
            let text = std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
            // Read as a whole first, so that an unknown key is found at its own line.
            toml::from_str::<Config>(&text).map_err(|error| in_file(path, &text, &error))?;
            let table: Table = text.parse().map_err(|error| in_file(path, &text, &error))?;
            layered.lay_over(table, &Origin::File(path.to_owned()));
        }
        let over = overrides::read(&leaves(&defaults), environment, flags)?;
        let under = layered.merged.clone();
        for one in &over {
            layered.lay_over(one.table(), &one.origin);
        }
        if let Err(error) = typed(&layered.merged) {
            let origin = first_refused(under, &over).unwrap_or(Origin::Default);
            return Err(ConfigError::Value { origin, message: error.message().to_owned() });
        }
        Ok(layered)
    }

    /// The typed settings.
    pub fn config(&self) -> Result<Config, ConfigError> {
        typed(&self.merged).map_err(|error| ConfigError::Value {
            origin: Origin::Default,
            message: error.message().to_owned(),
        })
    }

    /// Each setting as `section.key`, its value as TOML, and its origin.
    pub fn values(&self) -> Vec<(String, String, Origin)> {
        leaves(&self.merged)
            .into_iter()
            .map(|(key, value)| {
                let origin = self.origins.get(&key).cloned().unwrap_or(Origin::Default);
                (key, value.to_string(), origin)
            })
            .collect()
    }

    /// Whether nobody has said anything of a setting, given as `section.key`.
    pub fn is_default(&self, key: &str) -> bool {
        self.origins.get(key).is_none_or(|origin| *origin == Origin::Default)
    }

    fn lay_over(&mut self, table: Table, origin: &Origin) {
        for (key, _) in leaves(&table) {
            self.origins.insert(key, origin.clone());
        }
        merge(&mut self.merged, table);
    }
}

fn typed(merged: &Table) -> Result<Config, toml::de::Error> {
    merged.clone().try_into()
}

/// Where the override came from after which the settings can't be read any more.
fn first_refused(mut merged: Table, over: &[Override]) -> Option<Origin> {
    let refused = |one: &&Override| {
        merge(&mut merged, one.table());
        typed(&merged).is_err()
    };
    over.iter().find(refused).map(|one| one.origin.clone())
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

/// Each value below a table, with its path as `section.key`.
fn leaves(table: &Table) -> Vec<(String, Value)> {
    fn collect(table: &Table, path: &str, leaves: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match value {
                Value::Table(inner) => collect(inner, &full, leaves),
                value => leaves.push((full, value.clone())),
            }
        }
    }
    let mut found = Vec::new();
    collect(table, "", &mut found);
    found
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
    match overrides::nearest(given, quoted) {
        Some(nearest) => format!("unknown key `{given}`, did you mean `{nearest}`?"),
        None => message.to_owned(),
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
        let error = Layered::read(Some(&path), std::iter::empty(), &[]).unwrap_err().to_string();
        assert!(error.contains("doubleread.toml:3:"), "{error}");
        assert!(error.contains("did you mean `data_dir`?"), "{error}");
    }

    #[test]
    fn the_environment_lies_over_the_file_and_the_file_over_the_defaults() {
        let (_dir, path) = written("[service]\ntime_zone = \"UTC\"\n[database.limits]\nsqlite_readers = 3\n");
        let variables = [("DOUBLEREAD_DATABASE_LIMITS_SQLITE_READERS".to_owned(), "5".to_owned())];
        let layered = Layered::read(Some(&path), variables.into_iter(), &[]).unwrap();
        let config = layered.config().unwrap();
        assert_eq!((config.database.limits.sqlite_readers, config.service.time_zone.as_str()), (5, "UTC"));
        let origin = |key: &str| layered.values().into_iter().find(|v| v.0 == key).unwrap().2.to_string();
        assert_eq!(origin("database.limits.sqlite_readers"), "$DOUBLEREAD_DATABASE_LIMITS_SQLITE_READERS");
        assert_eq!(origin("service.synthetic_patients"), "default");
    }

    #[test]
    fn an_unknown_variable_is_refused() {
        let variables = [("DOUBLEREAD_HTTP_LISTN".to_owned(), "x".to_owned())];
        let error = Layered::read(None, variables.into_iter(), &[]).unwrap_err().to_string();
        assert!(error.contains("did you mean DOUBLEREAD_HTTP_LISTEN?"), "{error}");
    }

    #[test]
    fn a_flag_lies_over_the_environment() {
        let variables = [("DOUBLEREAD_HTTP_LISTEN".to_owned(), "127.0.0.1:1".to_owned())];
        let flags = [
            Flag { name: "--http-listen".into(), key: "http.listen".into(), value: "127.0.0.1:2".into() },
            Flag { name: "--set".into(), key: "infer.active.chest".into(), value: "chest-1".into() },
            Flag { name: "--data-dir".into(), key: "service.data_dir".into(), value: "2024".into() },
        ];
        let layered = Layered::read(None, variables.into_iter(), &flags).unwrap();
        let config = layered.config().unwrap();
        assert_eq!(config.http.listen.port(), 2);
        assert_eq!(config.infer.active.chest, ["chest-1"]);
        assert_eq!(config.service.data_dir, Path::new("2024"), "a folder may be called like a number");
        let origin = layered.values().into_iter().find(|v| v.0 == "http.listen").unwrap().2;
        assert_eq!(origin.to_string(), "flag --http-listen");
    }

    #[test]
    fn a_flag_with_an_unknown_key_or_a_wrong_value_is_named() {
        let set = |key: &str, value: &str| {
            let flag = Flag { name: "--set".into(), key: key.into(), value: value.into() };
            Layered::read(None, std::iter::empty(), &[flag]).unwrap_err().to_string()
        };
        let error = set("http.listn", "x");
        assert_eq!(error, "flag --set: unknown key http.listn, did you mean http.listen?");
        let error = set("database.limits.sqlite_readers", "many");
        assert!(error.starts_with("flag --set: ") && error.contains("invalid type"), "{error}");
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
        let config = Layered::read(None, variables, &[]).unwrap().config().unwrap();
        assert_eq!(config.service.data_dir, Path::new("/srv/data"));
        assert_eq!(config.receive.listen.port(), 104);
        assert_eq!(config.http.listen.port(), 8081);
        assert_eq!(config.database.url, "postgres://host/name");
        assert_eq!(config.infer.runtime_library.as_deref(), Some(Path::new("/opt/libonnxruntime.so")));
    }

    #[test]
    fn the_example_lists_every_setting_with_its_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/doubleread.example.toml");
        let example = Layered::read(Some(&path), std::iter::empty(), &[]).unwrap();
        let defaults = Layered::read(None, std::iter::empty(), &[]).unwrap();
        for ((key, value, origin), (_, default, _)) in example.values().into_iter().zip(defaults.values()) {
            assert_ne!(origin, Origin::Default, "{key} is not in the example");
            assert_eq!(value, default, "{key} has another value in the example");
        }
        assert_eq!(example.values().len(), defaults.values().len());
    }
}
