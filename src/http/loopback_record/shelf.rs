//! The resources of the loopback record: in memory, and one JSON file each.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::vocab::{Clock, SystemClock};

/// What a search goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `identifier=system|value`.
    Identifier,
    /// `_tag=system|code`.
    Tag,
}

/// Why a valid bundle was not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    /// A conditional search finds more than one.
    #[error("a conditional search finds several at {place}")]
    Ambiguous {
        /// Which entry.
        place: String,
    },
    /// The folder can't be written.
    #[error("can't write")]
    Disk(#[from] std::io::Error),
}

/// All resources, by type and id.
pub(super) struct Shelf {
    folder: PathBuf,
    resources: BTreeMap<String, BTreeMap<String, Value>>,
    next_id: u64,
}

/// Where one entry goes.
enum Place {
    /// A new resource, or a new version of one.
    Write { id: String, created: bool },
    /// Something is there already, and stays.
    Keep { id: String },
}

impl Shelf {
    /// Opens the folder, and reads what is in it.
    pub(super) fn open(folder: PathBuf) -> std::io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut shelf = Self { folder, resources: BTreeMap::new(), next_id: 1 };
        for kind in fs::read_dir(&shelf.folder)?.flatten().filter(|entry| entry.path().is_dir()) {
            for file in fs::read_dir(kind.path())?.flatten() {
                if file.path().extension().is_some_and(|extension| extension == "json") {
                    let resource: Value = serde_json::from_slice(&fs::read(file.path())?)?;
                    shelf.lay(resource);
                }
            }
        }
        Ok(shelf)
    }

    fn lay(&mut self, resource: Value) {
        let kind = resource["resourceType"].as_str().unwrap_or_default().to_owned();
        let id = resource["id"].as_str().unwrap_or_default().to_owned();
        self.next_id = self.next_id.max(id.parse::<u64>().map_or(1, |n| n.saturating_add(1)));
        self.resources.entry(kind).or_default().insert(id, resource);
    }

    /// One resource.
    pub(super) fn get(&self, kind: &str, id: &str) -> Option<&Value> {
        self.resources.get(kind)?.get(id)
    }

    /// All of one type.
    pub(super) fn all(&self, kind: &str) -> Vec<&Value> {
        self.resources.get(kind).into_iter().flat_map(BTreeMap::values).collect()
    }

    /// Ids by type.
    pub(super) fn contents(&self) -> BTreeMap<&str, Vec<&str>> {
        self.resources
            .iter()
            .map(|(kind, of_kind)| (kind.as_str(), of_kind.keys().map(String::as_str).collect()))
            .collect()
    }

    /// Those of a type with this token (`system|value`).
    pub(super) fn find(&self, kind: &str, by: By, token: &str) -> Vec<&Value> {
        let Some((system, value)) = token.split_once('|') else { return Vec::new() };
        let matches = |resource: &&Value| {
            let (list, name) = match by {
                By::Identifier => (&resource["identifier"], "value"),
                By::Tag => (&resource["meta"]["tag"], "code"),
            };
            list.as_array().is_some_and(|all| all.iter().any(|i| i["system"] == system && i[name] == value))
        };
        self.all(kind).into_iter().filter(matches).collect()
    }

    /// Stores a bundle that was found valid: all of it or, on an ambiguous search, nothing. Returns the
    /// transaction response.
    pub(super) fn commit(&mut self, bundle: &Value) -> Result<Value, CommitError> {
        let entries = bundle["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut next_id = self.next_id;
        let mut places = Vec::with_capacity(entries.len());
        let mut addresses = HashMap::new();
        for (number, entry) in entries.iter().enumerate() {
            let kind = entry["resource"]["resourceType"].as_str().unwrap_or_default();
            let found = match condition(&entry["request"]) {
                Some((by, token)) => self.find(kind, by, &token),
                None => Vec::new(),
            };
            let place = match (found.as_slice(), entry["request"]["method"] == "POST") {
                ([], _) => {
                    let id = next_id.to_string();
                    next_id += 1;
                    Place::Write { id, created: true }
                }
                ([one], true) => Place::Keep { id: own_id(one) },
                ([one], false) => Place::Write { id: own_id(one), created: false },
                _ => return Err(CommitError::Ambiguous { place: format!("Bundle.entry[{number}]") }),
            };
            let (Place::Write { id, .. } | Place::Keep { id }) = &place;
            let address = entry["fullUrl"].as_str().unwrap_or_default().to_owned();
            addresses.insert(address, format!("{kind}/{id}"));
            places.push(place);
        }
        self.next_id = next_id;
        let now = SystemClock.now().to_string();
        let mut answers = Vec::with_capacity(entries.len());
        for (entry, place) in entries.iter().zip(places) {
            let kind = entry["resource"]["resourceType"].as_str().unwrap_or_default();
            let (id, status) = match place {
                Place::Keep { id } => (id, "200 OK"),
                Place::Write { id, created } => {
                    let mut resource = resolved(&entry["resource"], &addresses);
                    let version = self.get(kind, &id).map_or(1, |old| own_version(old) + 1);
                    resource["id"] = json!(id);
                    resource["meta"]["versionId"] = json!(version.to_string());
                    resource["meta"]["lastUpdated"] = json!(now);
                    self.write(kind, &id, &resource)?;
                    self.lay(resource);
                    (id, if created { "201 Created" } else { "200 OK" })
                }
            };
            let version = self.get(kind, &id).map_or(1, own_version);
            answers.push(json!({
                "response": {
                    "status": status,
                    "location": format!("{kind}/{id}/_history/{version}"),
                    "etag": format!("W/\"{version}\""),
                    "lastModified": now,
                },
            }));
        }
        Ok(json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": answers }))
    }

    /// Writes beside and renames, so that a file is never half a resource. Type and id are our own words here:
    /// the type is one that validation knows, the id a number.
    fn write(&self, kind: &str, id: &str, resource: &Value) -> std::io::Result<()> {
        let folder = self.folder.join(kind);
        fs::create_dir_all(&folder)?;
        let (beside, path) = (folder.join(format!("{id}.part")), folder.join(format!("{id}.json")));
        let mut file = fs::File::create(&beside)?;
        file.write_all(serde_json::to_string_pretty(resource)?.as_bytes())?;
        file.sync_data()?;
        fs::rename(beside, path)
    }
}

fn own_id(resource: &Value) -> String {
    resource["id"].as_str().unwrap_or_default().to_owned()
}

fn own_version(resource: &Value) -> u64 {
    resource["meta"]["versionId"].as_str().and_then(|v| v.parse().ok()).unwrap_or(1)
}

/// The search of a conditional create or update.
pub(super) fn condition(request: &Value) -> Option<(By, String)> {
    let query = match request["method"].as_str()? {
        "POST" => request["ifNoneExist"].as_str()?,
        "PUT" => request["url"].as_str()?.split_once('?')?.1,
        _ => return None,
    };
    let (name, token) = query.split_once('=')?;
    let by = match name {
        "identifier" => By::Identifier,
        "_tag" => By::Tag,
        _ => return None,
    };
    let token = percent_decoded(token)?;
    token.contains('|').then_some((by, token))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The resource with references inside the bundle turned into places in the record.
fn resolved(value: &Value, addresses: &HashMap<String, String>) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, member)| {
                    let place =
                        member.as_str().filter(|_| name == "reference").and_then(|a| addresses.get(a));
                    (name.clone(), place.map_or_else(|| resolved(member, addresses), |p| json!(p)))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(|item| resolved(item, addresses)).collect()),
        plain => plain.clone(),
    }
}
