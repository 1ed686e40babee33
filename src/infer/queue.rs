//! The images that wait for one model: urgent first, nobody for ever.
//!
//! Every image has an instant at which it is due: when it came, plus what its urgency lets it
//! wait. The earliest due goes first. So an urgent image overtakes every routine one that has
//! not aged yet, and a routine one can't be overtaken for longer than it ages.
//!
//! Bounded: what does not fit is refused and said so. In from async callers, out to session threads.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::InferError;

/// How long an image may wait for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// Before everything that has not aged.
    Urgent,
    /// The rule.
    Routine,
    /// Shadow models and replays.
    Background,
}

/// What each urgency lets an image wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ages {
    pub routine: Duration,
    pub background: Duration,
}

impl Ages {
    fn of(self, urgency: Urgency) -> Duration {
        match urgency {
            Urgency::Urgent => Duration::ZERO,
            Urgency::Routine => self.routine,
            Urgency::Background => self.background,
        }
    }
}

struct Waiting<T> {
    due: Instant,
    number: u64,
    item: T,
}

impl<T> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.number) == (other.due, other.number)
    }
}
impl<T> Eq for Waiting<T> {}
impl<T> PartialOrd for Waiting<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Waiting<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

struct Inner<T> {
    waiting: BinaryHeap<Reverse<Waiting<T>>>,
    next_number: u64,
    closed: bool,
}

/// A bounded queue with an order of urgency.
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    arrived: Condvar,
    limit: usize,
    ages: Ages,
}

impl<T> Queue<T> {
    pub fn new(limit: usize, ages: Ages) -> Self {
        let inner = Inner { waiting: BinaryHeap::new(), next_number: 0, closed: false };
        Self { inner: Mutex::new(inner), arrived: Condvar::new(), limit, ages }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item in; refused when the queue is full or closed.
    pub fn push(&self, item: T, urgency: Urgency, now: Instant) -> Result<(), InferError> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(InferError::Stopped);
        }
        if inner.waiting.len() >= self.limit {
            return Err(InferError::QueueFull { limit: self.limit });
        }
        let (due, number) = (now + self.ages.of(urgency), inner.next_number);
        inner.next_number += 1;
        inner.waiting.push(Reverse(Waiting { due, number, item }));
        drop(inner);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for items and takes up to `most` of them, the first due first; once one is there, waits up to
    /// `patience` for more. Items that `wanted` refuses are dropped. `None` once the queue is closed.
    pub fn take(&self, most: usize, patience: Duration, wanted: impl Fn(&T) -> bool) -> Option<Vec<T>> {
        let mut taken = Vec::with_capacity(most);
        let mut give_up_at: Option<Instant> = None;
        let mut inner = self.lock();
        loop {
            if inner.closed {
                return None;
            }
            while taken.len() < most
                && let Some(Reverse(next)) = inner.waiting.pop()
            {
                if wanted(&next.item) {
                    taken.push(next.item);
                }
            }
            if taken.len() >= most {
                return Some(taken);
            }
            if taken.is_empty() {
                inner = self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let now = Instant::now();
            let until = *give_up_at.get_or_insert(now + patience);
            let Some(left) = until.checked_duration_since(now).filter(|left| !left.is_zero()) else {
                return Some(taken);
            };
            inner = self.arrived.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes nothing more, drops what waits, and lets every taker go.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.waiting.clear();
        drop(inner);
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const AGES: Ages = Ages { routine: Duration::from_secs(600), background: Duration::from_secs(3600) };

    fn drain(queue: &Queue<&'static str>, count: usize) -> Vec<&'static str> {
        queue.take(count, Duration::ZERO, |_| true).expect("open")
    }

    #[test]
    fn an_urgent_image_goes_before_the_routine_ones_that_came_first() {
        let queue = Queue::new(9, AGES);
        let now = Instant::now();
        for (item, urgency) in [
            ("shadow", Urgency::Background),
            ("first", Urgency::Routine),
            ("second", Urgency::Routine),
            ("urgent", Urgency::Urgent),
        ] {
            queue.push(item, urgency, now).unwrap();
        }
        assert_eq!(drain(&queue, 4), ["urgent", "first", "second", "shadow"]);
    }

    #[test]
    fn a_routine_image_that_has_aged_goes_before_new_urgent_ones() {
        let queue = Queue::new(9, AGES);
        let now = Instant::now();
        queue.push("old routine", Urgency::Routine, now).unwrap();
        queue.push("urgent", Urgency::Urgent, now + Duration::from_secs(601)).unwrap();
        queue.push("new routine", Urgency::Routine, now + Duration::from_secs(601)).unwrap();
        assert_eq!(drain(&queue, 3), ["old routine", "urgent", "new routine"]);
    }

    #[test]
    fn a_full_queue_refuses_and_names_its_limit() {
        let queue = Queue::new(1, AGES);
        queue.push("one", Urgency::Routine, Instant::now()).unwrap();
        let refused = queue.push("two", Urgency::Urgent, Instant::now());
        assert!(matches!(refused, Err(InferError::QueueFull { limit: 1 })), "{refused:?}");
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn items_whose_caller_has_left_are_skipped() {
        let queue = Queue::new(9, AGES);
        for item in ["left", "stays"] {
            queue.push(item, Urgency::Routine, Instant::now()).unwrap();
        }
        assert_eq!(queue.take(1, Duration::ZERO, |item| *item != "left"), Some(vec!["stays"]));
    }

    #[test]
    fn a_batch_waits_for_others_only_as_long_as_it_may() {
        let queue = Queue::new(9, AGES);
        queue.push("alone", Urgency::Routine, Instant::now()).unwrap();
        let began = Instant::now();
        assert_eq!(queue.take(4, Duration::from_millis(20), |_| true), Some(vec!["alone"]));
        assert!(began.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn closing_lets_a_waiting_taker_go_and_refuses_what_comes_after() {
        let queue = Arc::new(Queue::<&str>::new(9, AGES));
        let taker = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.take(1, Duration::ZERO, |_| true)
        });
        queue.close();
        assert_eq!(taker.join().unwrap(), None);
        assert!(matches!(queue.push("late", Urgency::Urgent, Instant::now()), Err(InferError::Stopped)));
    }
}
