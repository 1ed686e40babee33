//! Flags that set single settings, over the environment and the file.

use crate::config::Flag;

/// Flags that every command with a configuration takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Settings (over environment and file)")]
pub(super) struct Flags {
    /// Folder of the archive and of the SQLite database
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// Address on which DICOM associations are accepted
    #[arg(long, global = true, value_name = "HOST:PORT")]
    dimse_listen: Option<String>,
    /// Address of pages and API
    #[arg(long, global = true, value_name = "HOST:PORT")]
    http_listen: Option<String>,
    /// sqlite://PATH or postgres://...; a password in it is safer in the file or the environment
    #[arg(long, global = true, value_name = "URL")]
    database_url: Option<String>,
    /// The ONNX Runtime library
    #[arg(long, global = true, value_name = "FILE")]
    ort_dylib: Option<String>,
    /// Any other setting, such as completeness.quiet_seconds=60; may be repeated
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

impl Flags {
    /// The settings that were given; one that has a flag of its own lies over the same one of `--set`.
    pub(super) fn given(&self) -> Vec<Flag> {
        let flag = |name: &str, key: &str, value: &str| Flag {
            name: name.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let own = [
            ("--data-dir", "service.data_dir", &self.data_dir),
            ("--dimse-listen", "receive.listen", &self.dimse_listen),
            ("--http-listen", "http.listen", &self.http_listen),
            ("--database-url", "database.url", &self.database_url),
            ("--ort-dylib", "infer.runtime_library", &self.ort_dylib),
        ];
        let set = self.set.iter().map(|(key, value)| flag("--set", key, value));
        set.chain(own.iter().filter_map(|(name, key, value)| Some(flag(name, key, value.as_deref()?))))
            .collect()
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("needs the form section.key=value")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
