//! Orders of the demonstration, sent over the API as a hospital's order system would.
//!
//! Every study but the last gets one, so that "no order matches" can be seen, and one order gets no images.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::receive::Settings;
use crate::receive::scan::{Limits, Scanner};
use crate::receive::send::read_head_of;
use crate::vocab::{InstanceTags, SiteCode, StudyInstanceUid};

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Sends the orders in the name of a machine account.
pub(super) async fn send(
    files: &[PathBuf],
    receive: &Settings,
    http: SocketAddr,
    token: &str,
) -> anyhow::Result<usize> {
    let mut studies: BTreeMap<StudyInstanceUid, InstanceTags> = BTreeMap::new();
    let mut in_order = Vec::new();
    for file in files {
        let (uid, tags) = read(file, receive).with_context(|| format!("can't read {}", file.display()))?;
        if studies.insert(uid.clone(), tags).is_none() {
            in_order.push(uid);
        }
    }
    in_order.pop();
    let site = &receive.site;
    let mut orders: Vec<Value> =
        in_order.iter().filter_map(|uid| studies.get(uid)).map(|tags| order(tags, site)).collect();
    orders.push(without_images(site));
    let client = crate::post::client(&crate::post::Endpoint::default())?;
    for order in &orders {
        let request = client.post(format!("http://{http}/api/orders")).bearer_auth(token).json(order);
        let answer = request.send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "an order was answered {status}: {}", answer.text().await?);
    }
    Ok(orders.len())
}

/// What an image says of itself, as the receiver would pick it out.
fn read(path: &Path, receive: &Settings) -> anyhow::Result<(StudyInstanceUid, InstanceTags)> {
    let mut file = std::fs::File::open(path)?;
    let head = read_head_of(&mut file)?;
    file.seek(SeekFrom::Start(head.data_set_at))?;
    let limits = Limits {
        sequence_depth: receive.sequence_depth,
        element_length: receive.element_length,
        total: receive.object_size,
    };
    let mut scanner = Scanner::new(&head.syntax, limits);
    let mut piece = vec![0; PIECE];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            break;
        }
        scanner.feed(piece.get(..count).unwrap_or_default())?;
    }
    let picked = scanner.finish()?;
    Ok((picked.study_instance_uid()?, picked.tags()))
}

/// The same words at every run: an order is changed by other ones, and can't be any more once its images are here.
fn order(tags: &InstanceTags, site: &SiteCode) -> Value {
    let number = tags.accession_number.as_ref().map(ToString::to_string).unwrap_or_default();
    let day =
        jiff::civil::Date::strptime("%Y%m%d", &tags.study_date).unwrap_or(jiff::civil::date(2026, 1, 2));
    let mammo = tags.modality == "MG";
    let (pathway, procedure) =
        if mammo { ("mammo", "Mammography, screening") } else { ("chest", "XR chest") };
    let (reason, symptoms) = match mammo {
        true => ("Breast screening, no earlier images", ""),
        false => ("Cough for six weeks: infection or mass?", "Cough, some weight loss"),
    };
    json!({
        "placer_order_number": format!("RQ-{number}"), "accession_number": number, "site": site,
        "patient": {
            "id": tags.patient_id, "issuer": tags.issuer_of_patient_id, "name": tags.patient_name,
            "birth_date": tags.birth_date,
        },
        "pathway": pathway, "procedure": procedure, "reason": reason, "symptoms": symptoms,
        "requested_at": format!("{day}T07:30:00Z"),
    })
}

fn without_images(site: &SiteCode) -> Value {
    json!({
        "placer_order_number": "RQ-SYNC00000199", "accession_number": "SYNC00000199", "site": site,
        "patient": {"id": "SYN-C-00000199", "name": "SYNTHETIC^CHEST^00000199", "birth_date": "19610704"},
        "pathway": "chest", "procedure": "XR chest", "reason": "Breathless: effusion?", "symptoms": "Breathless",
        "requested_at": "2026-01-02T08:15:00Z",
    })
}
