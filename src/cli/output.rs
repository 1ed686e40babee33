//! What commands print: data on standard output, progress on standard error, errors with their causes.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use crate::receive::send::{SendError, Sent, Target, push};

/// Prints the error and its causes, one a line, and gives the exit code that fits.
///
/// A reader of our output who has left (`doubleread ... | head`) is no failure.
pub(super) fn failure(error: &anyhow::Error) -> ExitCode {
    let left = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(left) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
    let code = if error.chain().any(|cause| cause.is::<crate::config::ConfigError>()) {
        super::USAGE
    } else {
        super::FAILED
    };
    ExitCode::from(code)
}

/// A table of left-aligned columns under a header.
pub(super) fn table(out: &mut impl Write, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|h| h.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", line(&mut header.iter().copied()))?;
    writeln!(out, "{}", widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>().join("  "))?;
    for row in rows {
        writeln!(out, "{}", line(&mut row.iter().map(String::as_str)))?;
    }
    Ok(())
}

/// Pushes files to a peer and shows how far it has got.
pub(super) async fn push_with_progress(
    target: &Target,
    files: &[PathBuf],
    what: &'static str,
) -> Result<Vec<Sent>, SendError> {
    let progress = Mutex::new((0, Progress::of(files.len(), what)));
    let sent = push(target, files, &|_| {
        if let Ok(mut progress) = progress.lock() {
            progress.0 += 1;
            let done = progress.0;
            progress.1.at(done);
        }
    })
    .await?;
    if let Ok((_, progress)) = progress.into_inner() {
        progress.end();
    }
    Ok(sent)
}

/// Progress on standard error: one line that is overwritten on a terminal, and plain lines elsewhere.
pub(super) struct Progress {
    terminal: bool,
    what: &'static str,
    total: usize,
    shown_percent: usize,
}

impl Progress {
    /// Progress through `total` things of one kind.
    pub(super) fn of(total: usize, what: &'static str) -> Self {
        Self { terminal: io::stderr().is_terminal(), what, total, shown_percent: usize::MAX }
    }

    /// Says that `done` of the total are done.
    pub(super) fn at(&mut self, done: usize) {
        let percent = (done * 100).checked_div(self.total).unwrap_or(100);
        if self.terminal {
            eprint!("\r{}: {done} of {}", self.what, self.total);
        } else if self.shown_percent == usize::MAX || percent >= self.shown_percent + 25 {
            eprintln!("{}: {done} of {}", self.what, self.total);
            self.shown_percent = percent;
        }
    }

    /// Ends the line.
    pub(super) fn end(self) {
        if self.terminal {
            eprintln!();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_has_no_trailing_spaces() {
        let mut out = Vec::new();
        table(
            &mut out,
            &["study", "ai"],
            &[vec!["1".into(), "abnormal".into()], vec!["22".into(), String::new()]],
        )
        .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "study  ai\n-----  --------\n1      abnormal\n22\n");
    }
}
