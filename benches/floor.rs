//! The floor that receivers are measured against: it accepts any association, parses nothing but
//! the lengths and the command's message id, and answers success after the file's data sync, the
//! rename and the folder's sync. One thread an association. Usage: floor PORT FOLDER.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static NUMBER: AtomicU64 = AtomicU64::new(0);
/// Maximum PDU length that it offers, bytes.
const PDU: u32 = 256 * 1024;

fn item(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 0];
    out.extend(u16::try_from(body.len()).expect("short item").to_be_bytes());
    out.extend(body);
    out
}

/// Accepts every proposed context with its first transfer syntax (PS3.8 section 9.3.3).
fn accept(request: &[u8]) -> Vec<u8> {
    let mut out = request[..68].to_vec();
    let mut at = 68;
    while at + 4 <= request.len() {
        let length = usize::from(u16::from_be_bytes([request[at + 2], request[at + 3]]));
        let body = &request[at + 4..at + 4 + length];
        match request[at] {
            0x10 => out.extend(item(0x10, body)),
            0x20 => {
                let mut inner = 4;
                while body[inner] != 0x40 {
                    inner += 4 + usize::from(u16::from_be_bytes([body[inner + 2], body[inner + 3]]));
                }
                let syntax_length = usize::from(u16::from_be_bytes([body[inner + 2], body[inner + 3]]));
                let mut context = vec![body[0], 0, 0, 0];
                context.extend(item(0x40, &body[inner + 4..inner + 4 + syntax_length]));
                out.extend(item(0x21, &context));
            }
            _ => {}
        }
        at += 4 + length;
    }
    let mut user = item(0x51, &PDU.to_be_bytes());
    user.extend(item(0x52, b"2.25.1"));
    out.extend(item(0x50, &user));
    out
}

fn element(command: &[u8], wanted: u16) -> &[u8] {
    let mut at = 0;
    while at + 8 <= command.len() {
        let number = u16::from_le_bytes([command[at + 2], command[at + 3]]);
        let length = u32::from_le_bytes(command[at + 4..at + 8].try_into().expect("four bytes")) as usize;
        if number == wanted {
            return &command[at + 8..at + 8 + length];
        }
        at += 8 + length;
    }
    &[]
}

fn response(context: u8, command: &[u8]) -> Vec<u8> {
    let mut elements = Vec::new();
    let mut put = |number: u16, value: &[u8]| {
        elements.extend(0u16.to_le_bytes());
        elements.extend(number.to_le_bytes());
        elements.extend((value.len() as u32).to_le_bytes());
        elements.extend(value);
    };
    let field = u16::from_le_bytes(element(command, 0x0100).try_into().expect("a command field")) | 0x8000;
    put(0x0002, element(command, 0x0002));
    put(0x0100, &field.to_le_bytes());
    put(0x0120, element(command, 0x0110));
    put(0x0800, &0x0101u16.to_le_bytes());
    put(0x0900, &0u16.to_le_bytes());
    if !element(command, 0x1000).is_empty() {
        put(0x1000, element(command, 0x1000));
    }
    let mut group = vec![0, 0, 0, 0, 4, 0, 0, 0];
    group.extend((elements.len() as u32).to_le_bytes());
    group.extend(elements);
    let mut out = vec![4, 0];
    out.extend((group.len() as u32 + 6).to_be_bytes());
    out.extend((group.len() as u32 + 2).to_be_bytes());
    out.extend([context, 3]);
    out.extend(group);
    out
}

fn serve(stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::with_capacity(PDU as usize, stream);
    let mut pdu = Vec::new();
    let mut command = Vec::new();
    let mut open: Option<(File, PathBuf)> = None;
    loop {
        let mut header = [0; 6];
        if input.read_exact(&mut header).is_err() {
            return Ok(());
        }
        let length = u32::from_be_bytes([header[2], header[3], header[4], header[5]]) as usize;
        pdu.resize(length, 0);
        input.read_exact(&mut pdu)?;
        match header[0] {
            1 => {
                let body = accept(&pdu);
                let mut answer = vec![2, 0];
                answer.extend((body.len() as u32).to_be_bytes());
                answer.extend(body);
                out.write_all(&answer)?;
            }
            4 => {
                let mut at = 0;
                while at + 6 <= pdu.len() {
                    let size = u32::from_be_bytes(pdu[at..at + 4].try_into().expect("four bytes")) as usize;
                    let (context, flags) = (pdu[at + 4], pdu[at + 5]);
                    let value = &pdu[at + 6..at + 4 + size];
                    if flags & 1 == 1 {
                        command.extend(value);
                        let no_data = element(&command, 0x0800) == 0x0101u16.to_le_bytes();
                        if flags & 2 == 2 && no_data {
                            out.write_all(&response(context, &command))?;
                            command.clear();
                        }
                    } else {
                        if open.is_none() {
                            let name = folder.join(format!("{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
                            open = Some((File::create(&name)?, name));
                        }
                        let Some((file, name)) = &mut open else { continue };
                        file.write_all(value)?;
                        if flags & 2 == 2 {
                            file.sync_data()?;
                            std::fs::rename(&*name, name.with_extension("dcm"))?;
                            File::open(folder)?.sync_all()?;
                            out.write_all(&response(context, &command))?;
                            command.clear();
                            open = None;
                        }
                    }
                    at += 4 + size;
                }
            }
            5 => {
                out.write_all(&[6, 0, 0, 0, 0, 4, 0, 0, 0, 0])?;
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let port = arguments.next().unwrap_or_else(|| "11190".into());
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "floor-out".into()));
    std::fs::create_dir_all(&folder)?;
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    for stream in listener.incoming() {
        let (stream, folder) = (stream?, folder.clone());
        std::thread::spawn(move || serve(stream, &folder));
    }
    Ok(())
}
