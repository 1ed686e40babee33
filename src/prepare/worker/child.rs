//! The child: limits itself, then answers one request after another from standard input to standard output.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::super::input::prepare_file_for;
use super::super::metadata::{bulk_value, metadata};
use super::super::raw_frame::{raw_frame, stored_frame, voi_table};
use super::super::render::render_file;
use super::wire::{Answer, MAX_HEADER_BYTES, Request, What};

/// Runs the child until its standard input ends. The argument after [`super::ARGUMENT`] is its memory limit in bytes.
pub fn worker_main() -> ExitCode {
    let memory_limit = std::env::args().nth(2).and_then(|bytes| bytes.parse::<u64>().ok());
    let Some(memory_limit) = memory_limit else {
        eprintln!("{} is started by the service itself", super::ARGUMENT);
        return ExitCode::from(2);
    };
    // Without its limits a child is no protection: better none.
    let limited = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    if limited(Resource::As, memory_limit).and_then(|()| limited(Resource::Core, 0)).is_err() {
        return ExitCode::FAILURE;
    }
    match serve(&mut BufReader::new(io::stdin().lock()), &mut BufWriter::new(io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        match input.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        }
        let length = u32::from_le_bytes(length);
        if length > MAX_HEADER_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut header = vec![0; length as usize];
        input.read_exact(&mut header)?;
        let Request { path, limits, what } = serde_json::from_slice(&header)?;
        let (answer, body) = match what {
            What::Prepare(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(|(spec, scope)| (spec, scope)).collect();
                Answer::of_prepared(prepare_file_for(&path, &wanted, &limits))
            }
            What::Render(request) => Answer::of_rendered(render_file(&path, &request, &limits)),
            What::RawFrame { frame } => Answer::of_raw(raw_frame(&path, frame, &limits)),
            What::VoiTable { frame } => Answer::of_bytes(voi_table(&path, frame, &limits)),
            What::StoredFrame { frame } => Answer::of_bytes(stored_frame(&path, frame, &limits).map(Some)),
            What::Metadata => Answer::of_bytes(metadata(&path, &limits).map(Some)),
            What::Value { tag } => Answer::of_bytes(bulk_value(&path, tag, &limits)),
        };
        let header = serde_json::to_vec(&answer)?;
        let header_length = u32::try_from(header.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        output.write_all(&header_length.to_le_bytes())?;
        output.write_all(&(body.len() as u64).to_le_bytes())?;
        output.write_all(&header)?;
        output.write_all(&body)?;
        output.flush()?;
    }
}
