//! What the service asks of the operating system, as a tracer sees it: durable first, then the answer.

use crate::receive_house::{CR, EXPLICIT, data_set_of};
use crate::receive_raw::{Raw, request, value};
use crate::service_films::film;
use crate::service_house::{House, can_trace};
use std::collections::HashMap;

const OBJECTS: u8 = 24;
const ASSOCIATIONS: u8 = 4;

/// One system call: the lines at which it began and ended.
struct Call {
    name: String,
    /// Arguments, as the tracer prints them.
    text: String,
    began: usize,
    ended: usize,
}

/// The calls of a trace (`strace -f`), in the order in which they began.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            if let Some(call) = unfinished.remove(thread) {
                calls[call].ended = at;
            }
            continue;
        }
        let Some((name, text)) = rest.split_once('(') else { continue };
        let mut ended = at;
        if text.contains("<unfinished ...>") {
            unfinished.insert(thread, calls.len());
            // Until it is seen to end, it has not.
            ended = usize::MAX;
        } else if text.contains(") = -1 ") {
            continue;
        }
        calls.push(Call { name: name.to_owned(), text: text.to_owned(), began: at, ended });
    }
    calls
}

/// The bytes of a string as the tracer prints them with `-xx`.
fn printed(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_file_name_folder_and_row_are_on_the_disk_before_any_success_is_sent() {
    if !can_trace() {
        return;
    }
    let mut house = House::build("");
    let trace = house.folder.path().join("trace");
    let wanted = "trace=fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto,sendmsg";
    house.prefix = ["strace", "--follow-forks", "--seccomp-bpf", "--decode-fds=path", "--strings-in-hex=all"]
        .into_iter()
        .chain([
            "--string-limit=400",
            "--quiet=all",
            "--signal=none",
            "--output",
            trace.to_str().unwrap(),
            "-e",
            wanted,
        ])
        .map(str::to_owned)
        .collect();
    house.start().await;
    let sending: Vec<_> = (0..ASSOCIATIONS)
        .map(|association| {
            let address = house.address;
            tokio::spawn(async move {
                let mut peer = Raw::associate(address, &[(1, CR, EXPLICIT)], 0).await;
                for number in 0..OBJECTS / ASSOCIATIONS {
                    let (study, pixels) = (format!("2.25.3{association}{number}"), vec![number; 50_000]);
                    let uid = format!("{study}.1.1");
                    let data_set = data_set_of(&film(&uid, &study, &pixels));
                    peer.send(&value(1, true, true, &request(0x0001, CR, &uid, true))).await;
                    peer.send(&value(1, false, true, &data_set)).await;
                    assert_eq!(peer.status().await, 0);
                }
            })
        })
        .collect();
    for sender in sending {
        sender.await.unwrap();
    }
    let store = house.store().await;
    let rows = store.instances_after(None, 100).await.unwrap();
    store.close().await;
    house.stop().await;
    let calls = calls(&std::fs::read_to_string(&trace).unwrap());
    let first = |what: &str, after: usize, wanted: &dyn Fn(&Call) -> bool| {
        let found =
            calls.iter().filter(|call| call.began >= after && wanted(call)).min_by_key(|call| call.ended);
        let found = found.unwrap_or_else(|| panic!("no {what} in the trace"));
        assert!(found.ended < usize::MAX, "the {what} never ended");
        (found.began, found.ended)
    };
    for row in &rows {
        let (uid, hash) = (row.sop_instance_uid.as_str(), &row.content_hash);
        let final_name = printed(format!("/{hash}.dcm").as_bytes());
        let is_rename = |call: &Call| call.name.starts_with("rename") && call.text.contains(&final_name);
        let (renaming, renamed) = first("rename", 0, &is_rename);
        let call = calls.iter().find(|call| call.began == renaming).unwrap();
        // With the paths of file descriptors printed, both names stand in full.
        let temporary = call.text.split('"').nth(1).unwrap();
        let part = temporary.rsplit("\\x2f").next().unwrap();
        let temporary_text: Vec<u8> = part
            .split("\\x")
            .filter(|pair| !pair.is_empty())
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect();
        let temporary = String::from_utf8(temporary_text).unwrap();
        let folder = format!("objects/{}/{}>", &hash[..2], &hash[2..4]);
        let synced = |call: &Call| call.name == "fdatasync" || call.name == "fsync";
        let is_of = |call: &Call, path: &str| synced(call) && plain(&call.text).contains(path);
        let (_, sealed) = first("sync of the file", 0, &|call| is_of(call, &format!("/{temporary}>")));
        let (_, placed) = first("sync of the folder", renamed + 1, &|call| is_of(call, &folder));
        let (_, committed) =
            first("sync of the database", placed + 1, &|call| is_of(call, "doubleread.db-wal>"));
        let name = printed(uid.as_bytes());
        let is_answer = |call: &Call| {
            ["write", "writev", "sendto", "sendmsg"].contains(&call.name.as_str())
                && call.text.contains(&name)
                && plain(&call.text).contains("<socket:")
        };
        let (answered, _) = first("answer", 0, &is_answer);
        assert!(
            sealed < renaming && committed < answered,
            "{uid}: synced at {sealed}, renamed at {renaming}, committed at {committed}, answered at {answered}"
        );
    }
    println!("{} answers, each after two syncs of the archive and one of the database", rows.len());
    assert_eq!(rows.len(), usize::from(OBJECTS));
}

/// The text with what the tracer printed in hexadecimal as it was, where it is text.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        let (before, pair) = rest.split_at(at);
        plain.push_str(before);
        match pair.get(2..4).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &pair[4..];
            }
            None => {
                plain.push_str("\\x");
                rest = &pair[2..];
            }
        }
    }
    plain + rest
}
