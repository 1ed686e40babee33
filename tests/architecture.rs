//! The house rules that a compiler does not hold: which module may name which, which outside
//! crates are named where, and how long a file may be. The table is that of ARCHITECTURE.md.

use std::fs;
use std::path::{Path, PathBuf};

/// Module, the modules of ours that it may name, the outside crates that only it may name.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    ("vocab", &[], &[]),
    ("receive", &["vocab", "archive"], &[]),
    ("archive", &["vocab", "uncached"], &[]),
    ("prepare", &["vocab", "uncached"], &["image", "jpeg2k", "jpegls"]),
    ("infer", &["vocab", "prepare"], &["ort"]),
    ("reading", &["vocab"], &[]),
    ("post", &["vocab", "reading"], &[]),
    ("audit", &["vocab", "reading"], &["statrs"]),
    ("store", &["vocab", "reading", "audit"], &["sqlx"]),
    (
        "pipeline",
        &[
            "vocab",
            "receive",
            "archive",
            "prepare",
            "infer",
            "reading",
            "post",
            "audit",
            "store",
            "lifecycle",
        ],
        &[],
    ),
    ("http", &["vocab", "reading", "audit", "store", "archive", "prepare"], &["axum", "askama", "utoipa"]),
    ("phantom", &["vocab"], &[]),
    (
        "config",
        &["vocab", "receive", "prepare", "infer", "post", "audit", "store", "http", "pipeline", "telemetry"],
        &[],
    ),
    ("telemetry", &[], &[]),
    ("uncached", &[], &[]),
    ("lifecycle", &[], &[]),
];

/// Modules that may name a crate beside its owner: phantoms wrap films that are PNG or JPEG.
const GUESTS: &[(&str, &str)] = &[("phantom", "image")];

/// Only these may name crates of dicom-rs.
const DICOM: &[&str] = &["receive", "prepare", "post", "phantom"];

/// Longest source file, in lines.
const LONGEST_FILE: usize = 500;

fn source_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a source folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Each source file with its module and its lines, less comments and unit tests.
fn sources() -> Vec<(PathBuf, String, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let inner = path.strip_prefix(&root).expect("under src");
            let module = inner.iter().next().expect("a name").to_string_lossy();
            let module = module.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("a source file");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines =
                code.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::to_owned).collect();
            (path, module, lines)
        })
        .collect()
}

fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !inside(before) && !inside(after)
    })
}

#[test]
fn a_module_names_only_the_modules_that_the_table_allows() {
    let mut breaches = Vec::new();
    for (path, module, lines) in sources() {
        let Some((_, allowed, _)) = TABLE.iter().find(|row| row.0 == module) else { continue };
        for (other, _, _) in TABLE {
            if *other == module || allowed.contains(other) {
                continue;
            }
            let named = format!("crate::{other}");
            if lines.iter().any(|line| names(line, &named)) {
                breaches.push(format!("{} names {named}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn an_outside_crate_is_named_only_where_it_belongs() {
    let mut breaches = Vec::new();
    for (path, module, lines) in sources() {
        for (owner, _, crates) in TABLE {
            for outside in *crates {
                let path_in = format!("{outside}::");
                let guest = GUESTS.contains(&(module.as_str(), outside));
                if *owner != module
                    && !guest
                    && lines.iter().any(|line| {
                        names(line, &format!("use {outside}"))
                            || line.match_indices(&path_in).any(|(at, _)| {
                                !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                            })
                    })
                {
                    breaches.push(format!("{} names {outside}, which is {owner}'s", path.display()));
                }
            }
        }
        if !DICOM.contains(&module.as_str())
            && lines
                .iter()
                .any(|line| ["dicom_core", "dicom_object", "dicom_encoding"].iter().any(|c| names(line, c)))
        {
            breaches.push(format!("{} names a DICOM crate", path.display()));
        }
    }
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, _, _)| (fs::read_to_string(&path).expect("a source file").lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}
