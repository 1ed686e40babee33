//! Writes the studies of `sample-dicom/` again: `cargo run --example phantom_samples -- sample-dicom`.

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("name the folder to write to")?;
    let written = doubleread::phantom::samples::write_all(folder.as_ref())?;
    println!("{written} images written");
    Ok(())
}
