//! Who may take up room: sockets before their request, and associations after it.
//!
//! In: arrivals. Out: guards that give the room back when dropped. Strangers never keep a
//! listed source out.

use super::settings::{Profile, Settings};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// Room for sockets and associations.
#[derive(Debug, Default)]
pub(super) struct Slots {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// Half-open sockets by arrival: whether their address is listed, and how to end them.
    half_open: BTreeMap<u64, (bool, CancellationToken)>,
    associations: usize,
    unknown: usize,
    by_source: HashMap<usize, usize>,
}

/// A half-open socket's room.
pub(super) struct HalfOpen {
    slots: Arc<Slots>,
    number: u64,
    /// Cancelled when the socket must give way.
    pub give_way: CancellationToken,
}

/// An association's room.
pub(super) struct Seat {
    slots: Arc<Slots>,
    source: Option<usize>,
}

impl Slots {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for a new socket, if need be at the cost of the oldest stranger; `None` if there is none.
    pub fn arrive(self: &Arc<Self>, known: bool, most: usize) -> Option<HalfOpen> {
        let mut taken = self.taken();
        if taken.half_open.len() >= most {
            let oldest = taken.half_open.iter().find(|(_, (known, _))| !known).map(|(number, _)| *number)?;
            if let Some((_, token)) = taken.half_open.remove(&oldest) {
                token.cancel();
                metrics::counter!("receive_half_open_evicted_total").increment(1);
            }
        }
        let number = taken.next;
        taken.next += 1;
        let give_way = CancellationToken::new();
        taken.half_open.insert(number, (known, give_way.clone()));
        Some(HalfOpen { slots: Arc::clone(self), number, give_way })
    }

    /// Ends the oldest stranger's socket, when descriptors have run out.
    pub fn evict_oldest(&self) {
        let mut taken = self.taken();
        let oldest = taken.half_open.iter().find(|(_, (known, _))| !known).map(|(number, _)| *number);
        if let Some((_, token)) = oldest.and_then(|number| taken.half_open.remove(&number)) {
            token.cancel();
        }
    }

    /// Associations now.
    pub fn seated(&self) -> usize {
        self.taken().associations
    }

    /// Room for an association.
    pub fn sit(self: &Arc<Self>, settings: &Settings, profile: &Profile) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.associations >= settings.associations {
            return None;
        }
        match profile.source {
            None if taken.unknown >= settings.unknown_associations => return None,
            None => taken.unknown += 1,
            Some(index) => {
                let most = settings.sources.get(index).and_then(|s| s.associations).unwrap_or(usize::MAX);
                let count = taken.by_source.entry(index).or_insert(0);
                if *count >= most {
                    return None;
                }
                *count += 1;
            }
        }
        taken.associations += 1;
        metrics::gauge!("receive_associations").set(taken.associations as f64);
        Some(Seat { slots: Arc::clone(self), source: profile.source })
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.slots.taken().half_open.remove(&self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.associations = taken.associations.saturating_sub(1);
        metrics::gauge!("receive_associations").set(taken.associations as f64);
        match self.source {
            None => taken.unknown = taken.unknown.saturating_sub(1),
            Some(index) => {
                if let Some(count) = taken.by_source.get_mut(&index) {
                    *count = count.saturating_sub(1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_stranger_gives_way_and_a_listed_source_never_does() {
        let slots = Arc::new(Slots::default());
        let known = slots.arrive(true, 2).unwrap();
        let stranger = slots.arrive(false, 2).unwrap();
        let newcomer = slots.arrive(true, 2).unwrap();
        assert!(stranger.give_way.is_cancelled());
        assert!(slots.arrive(false, 2).is_none(), "two listed sources fill the room");
        drop((known, newcomer, stranger));
        assert!(slots.arrive(false, 1).is_some());
    }

    #[test]
    fn strangers_leave_room_for_listed_sources() {
        let settings = Settings { associations: 3, unknown_associations: 1, ..Settings::default() };
        let profile = |source| Profile {
            calling_ae: "A".parse().unwrap(),
            site: "S".parse().unwrap(),
            pathway: None,
            classes: Vec::new(),
            address: std::net::IpAddr::from([127, 0, 0, 1]),
            source,
        };
        let slots = Arc::new(Slots::default());
        let first = slots.sit(&settings, &profile(None)).unwrap();
        assert!(slots.sit(&settings, &profile(None)).is_none());
        let _a = slots.sit(&settings, &profile(Some(0))).unwrap();
        let _b = slots.sit(&settings, &profile(Some(0))).unwrap();
        assert!(slots.sit(&settings, &profile(Some(0))).is_none(), "three in all");
        drop(first);
        assert!(slots.sit(&settings, &profile(None)).is_some());
    }
}
