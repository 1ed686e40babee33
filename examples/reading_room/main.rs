//! A reading room for the browser tests: pages, API and a real DICOM receiver over a database and an archive of its
//! own, with a clock that the test moves and an AI that says what the test tells it to say.
//!
//! In: one command a line on standard input, as JSON (see [`commands`]). Out: one answer a line on standard output, the
//! first being the addresses. It ends with its input. No figure of a model and no pathway rule is made up here: images come in
//! over C-STORE, cases are read by the store and the core that the service has.

mod commands;
mod room;
mod studies;

use std::io::Write;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let room = room::Room::open().await?;
    say(&serde_json::json!({ "pages": room.base, "receiver": room.receiver }))?;
    // The runtime's other threads serve while this one waits for the next line.
    for line in std::io::stdin().lines() {
        let line = line?;
        let answer = match commands::obey(&room, &line).await {
            Ok(answer) => answer,
            Err(error) => serde_json::json!({ "error": format!("{error:#}") }),
        };
        say(&answer)?;
    }
    Ok(())
}

fn say(answer: &serde_json::Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    out.flush()
}
