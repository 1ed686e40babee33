//! Every limit of the receiver, with its name in the configuration.
//!
//! In: the `[receive]` table. Out: plain values. No rule lives here but who is let in.

use crate::vocab::{AeTitle, Pathway, SiteCode, SopClassUid};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Settings of the receiver.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Our AE title.
    pub ae_title: AeTitle,
    /// Refuse associations that call another title than ours.
    pub check_called_ae: bool,
    /// The allow-list. If it is not empty, only these are let in, unless `unknown_sources` says otherwise.
    pub sources: Vec<Source>,
    /// What happens to callers who are not listed.
    pub unknown_sources: Option<Unknown>,
    /// Site of objects from callers who are not listed.
    pub site: SiteCode,
    /// What happens to storage classes that are not in the table of [`super::classes`].
    pub other_storage_classes: OtherClasses,
    /// Most associations at a time; one more is refused with "local limit exceeded".
    pub associations: usize,
    /// Most associations of callers who are not listed.
    pub unknown_associations: usize,
    /// Most sockets that have not sent an association request yet; the oldest stranger gives way.
    pub half_open: usize,
    /// Longest P-DATA-TF that we accept, in bytes (offered at negotiation, PS3.8 annex D.1).
    pub pdu_length: u32,
    /// Longest association request, in bytes.
    pub associate_length: u32,
    /// Longest command set, in bytes.
    pub command_length: usize,
    /// Largest data set, in bytes, as sent.
    pub object_size: u64,
    /// Longest single element, in bytes.
    pub element_length: u64,
    /// Deepest nesting of sequences.
    pub sequence_depth: usize,
    /// Largest deflated data set, in bytes, once inflated.
    pub inflated_size: u64,
    /// Bytes gathered before they are hashed, scanned and written; each association has two such buffers.
    pub buffer_size: usize,
    /// Size of a buffer where associations are many.
    pub buffer_size_least: usize,
    /// Bytes of the buffers of all associations from which on they become smaller.
    pub buffer_memory: usize,
    /// Most objects that share one commit.
    pub commit_batch: usize,
    /// Objects that may wait for their commit before senders are told to come back later.
    pub commit_queue: usize,
    /// Copies of objects that are refused for their content.
    pub quarantine: super::QuarantineSettings,
    /// Limits of time.
    pub timeouts: Timeouts,
}

/// Limits of time, per stage. Milliseconds unless the name says otherwise.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// From the connection to a whole association request: the ARTIM timer (PS3.8 section 9.1.5).
    pub associate_ms: u64,
    /// Between two messages of an association.
    pub idle_ms: u64,
    /// Without a byte in the middle of a message.
    pub stalled_ms: u64,
    /// Grace before `object_bytes_per_second` is asked for.
    pub object_grace_ms: u64,
    /// Slowest average rate of an object.
    pub object_bytes_per_second: u64,
    /// For a commit, after which the sender is told to come back.
    pub commit_ms: u64,
    /// For a response to leave.
    pub write_ms: u64,
    /// For associations in progress to end when the service stops.
    pub stop_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            associate_ms: 10_000,
            idle_ms: 300_000,
            stalled_ms: 30_000,
            object_grace_ms: 30_000,
            object_bytes_per_second: 4_096,
            commit_ms: 60_000,
            write_ms: 30_000,
            stop_ms: 8_000,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 11_112),
            ae_title: "DOUBLEREAD".parse().expect("a valid AE title"),
            check_called_ae: false,
            sources: Vec::new(),
            unknown_sources: None,
            site: "LOCAL".parse().expect("a valid site code"),
            other_storage_classes: OtherClasses::Store,
            associations: 128,
            unknown_associations: 96,
            half_open: 512,
            pdu_length: 256 * 1024,
            associate_length: 128 * 1024,
            command_length: 16 * 1024,
            object_size: 4 << 30,
            element_length: u64::from(u32::MAX),
            sequence_depth: 64,
            inflated_size: 1 << 30,
            buffer_size: 1024 * 1024,
            buffer_size_least: 512 * 1024,
            buffer_memory: 26 * 1024 * 1024,
            commit_batch: 64,
            commit_queue: 256,
            quarantine: super::QuarantineSettings::default(),
            timeouts: Timeouts::default(),
        }
    }
}

/// What happens to callers who are not on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// Their associations are accepted, with the default site.
    Accept,
    /// Their associations are rejected ("calling AE title not recognized").
    Refuse,
}

/// What happens to storage classes without an entry in [`super::classes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherClasses {
    /// Stored, not scored.
    Store,
    /// Their presentation contexts are refused.
    Refuse,
}

/// One peer that may send, and what its objects are taken for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its AE title.
    pub calling_ae: AeTitle,
    /// Addresses that it may come from, such as `10.1.2.3` or `10.1.0.0/16`; empty: any.
    #[serde(default)]
    pub addresses: Vec<AddressRange>,
    /// Its site.
    pub site: SiteCode,
    /// Pathway of its images, if that is fixed.
    #[serde(default)]
    pub pathway: Option<Pathway>,
    /// Classes that it may store; empty: all.
    #[serde(default)]
    pub classes: Vec<SopClassUid>,
    /// Most associations of this source at a time.
    #[serde(default)]
    pub associations: Option<usize>,
}

/// What a caller is taken for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Profile {
    pub calling_ae: AeTitle,
    pub site: SiteCode,
    pub pathway: Option<Pathway>,
    pub classes: Vec<SopClassUid>,
    /// Where its connection comes from.
    pub address: IpAddr,
    /// Index in `sources`, or `None` for a stranger.
    pub source: Option<usize>,
}

impl Settings {
    /// Whether callers who are not listed are let in.
    pub fn accepts_unknown(&self) -> bool {
        match self.unknown_sources {
            Some(Unknown::Accept) => true,
            Some(Unknown::Refuse) => false,
            None => self.sources.is_empty(),
        }
    }

    /// Size of one buffer, in bytes, where there are so many associations.
    pub(super) fn buffer_size_among(&self, associations: usize) -> usize {
        let share = self.buffer_memory / associations.max(1).saturating_mul(2);
        self.buffer_size.min(share.max(self.buffer_size_least))
    }

    /// The profile of a caller, or `None` if it is not let in.
    pub(super) fn profile_of(&self, calling_ae: &AeTitle, address: IpAddr) -> Option<Profile> {
        let known = self.sources.iter().enumerate().find(|(_, source)| {
            source.calling_ae == *calling_ae
                && (source.addresses.is_empty() || source.addresses.iter().any(|r| r.holds(address)))
        });
        if let Some((index, source)) = known {
            return Some(Profile {
                calling_ae: calling_ae.clone(),
                site: source.site.clone(),
                pathway: source.pathway,
                classes: source.classes.clone(),
                address,
                source: Some(index),
            });
        }
        self.accepts_unknown().then(|| Profile {
            calling_ae: calling_ae.clone(),
            site: self.site.clone(),
            pathway: None,
            classes: Vec::new(),
            address,
            source: None,
        })
    }

    /// Whether an address belongs to a listed source.
    pub(super) fn knows_address(&self, address: IpAddr) -> bool {
        self.sources.iter().flat_map(|s| &s.addresses).any(|range| range.holds(address))
    }
}

/// An address or a prefix of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    address: IpAddr,
    prefix: u8,
}

impl AddressRange {
    /// Whether `address` lies in the range; IPv4 addresses mapped into IPv6 count as IPv4.
    pub fn holds(&self, address: IpAddr) -> bool {
        let bits = |a: IpAddr| match a.to_canonical() {
            IpAddr::V4(v4) => (32_u8, u128::from(v4.to_bits())),
            IpAddr::V6(v6) => (128, v6.to_bits()),
        };
        let ((width, ours), (other_width, theirs)) = (bits(self.address), bits(address));
        let drop = u32::from(width.saturating_sub(self.prefix));
        let same = ours.checked_shr(drop).unwrap_or(0) == theirs.checked_shr(drop).unwrap_or(0);
        width == other_width && same
    }
}

impl TryFrom<String> for AddressRange {
    type Error = crate::vocab::InvalidValue;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bad = crate::vocab::InvalidValue {
            what: "address range",
            problem: "is not an address, nor an address and a prefix length such as 10.1.0.0/16",
        };
        let (address, prefix) = text.split_once('/').map_or((text.as_str(), None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.trim().parse().map_err(|_| bad.clone())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(widest), |p| p.trim().parse().map_err(|_| bad.clone()))?;
        if prefix > widest {
            return Err(bad);
        }
        Ok(Self { address, prefix })
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> String {
        format!("{}/{}", range.address, range.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        assert!(range("10.1.0.0/16").holds("10.1.255.3".parse().unwrap()));
        assert!(range("10.1.0.0/16").holds("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!range("10.1.0.0/16").holds("10.2.0.1".parse().unwrap()));
        assert!(range("0.0.0.0/0").holds("8.8.8.8".parse().unwrap()));
        assert!(range("::/0").holds("2001:db8::1".parse().unwrap()));
        assert!(!range("::/0").holds("8.8.8.8".parse().unwrap()));
        assert!(range("127.0.0.1").holds("127.0.0.1".parse().unwrap()));
        for bad in ["", "10.0.0.0/33", "10.0.0.0/x", "hospital"] {
            assert!(AddressRange::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_allow_list_closes_the_door_to_others() {
        let van: AeTitle = "VAN1".parse().unwrap();
        let here = "127.0.0.1".parse().unwrap();
        let mut settings = Settings::default();
        assert_eq!(settings.profile_of(&van, here).unwrap().source, None);
        settings.sources.push(Source {
            calling_ae: van.clone(),
            addresses: vec![range("127.0.0.0/8")],
            site: "VAN".parse().unwrap(),
            pathway: Some(Pathway::Mammo),
            classes: Vec::new(),
            associations: None,
        });
        assert_eq!(settings.profile_of(&van, here).unwrap().site.as_str(), "VAN");
        assert_eq!(settings.profile_of(&van, "10.0.0.1".parse().unwrap()), None);
        assert_eq!(settings.profile_of(&"OTHER".parse().unwrap(), here), None);
    }

    #[test]
    fn many_associations_share_the_memory_of_buffers() {
        let settings = Settings::default();
        let sizes = [0, 1, 13, 16, 64].map(|associations| settings.buffer_size_among(associations));
        assert_eq!(sizes, [1 << 20, 1 << 20, 1 << 20, 26 << 15, 1 << 19]);
    }
}
