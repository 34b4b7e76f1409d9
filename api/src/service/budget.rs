//! How many bytes of bodies, or of answers, the service holds at once, and whose are given up where they become too many.
//!
//! A limit for each request bounds nothing: a thousand requests that are within it hold a thousand times as much. So what all
//! of them hold is counted. Where that exceeds the budget, the caller who holds most gives up what it has held most of for
//! longest: a slow or silent client goes before a quick one, and never an innocent one before the one that fills the memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A body or an answer within so many bytes is never refused for its size: its connection's buffers take as much.
pub(crate) const SMALL: usize = 16 << 10;

/// Who a request comes from: a key, or the address where there are no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Caller {
    /// The first bytes of a key's digest.
    Key(u64),
    Address(IpAddr),
    Unknown,
}

/// Gives up what is held.
type GiveUp = Box<dyn FnOnce() + Send>;

/// A budget of bytes.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    most: usize,
    /// Within so many bytes nothing is refused or given up, however much others hold: a connection's buffers take as much.
    free: usize,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    total: usize,
    next: u64,
    holds: BTreeMap<u64, Entry>,
}

struct Entry {
    bytes: usize,
    since: Instant,
    caller: Caller,
    /// None where it cannot be given up any more.
    give_up: Option<GiveUp>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// There is no room for more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// Bytes that are held, until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    budget: Arc<ByteBudget>,
    number: u64,
}

impl ByteBudget {
    pub(crate) fn new(most: usize, free: usize) -> Arc<Self> {
        Arc::new(Self { most, free, books: Mutex::default() })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // The books are right after each step, so a panic elsewhere leaves them so.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that are held now.
    pub(crate) fn held(&self) -> usize {
        self.books().total
    }

    /// Begins to hold for a caller, nothing yet. `give_up` is called where the caller has to give it up.
    pub(crate) fn hold(self: &Arc<Self>, caller: Caller, give_up: impl FnOnce() + Send + 'static) -> Hold {
        let mut books = self.books();
        let number = books.next;
        books.next += 1;
        let give_up: Option<GiveUp> = Some(Box::new(give_up));
        books.holds.insert(number, Entry { bytes: 0, since: Instant::now(), caller, give_up });
        Hold { budget: Arc::clone(self), number }
    }
}

impl Books {
    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.holds.remove(&number)?;
        self.total -= entry.bytes;
        Some(entry)
    }

    /// What is given up first; none where all that is held is small or at work.
    fn worst(&self, free: usize) -> Option<u64> {
        let mut by_caller: HashMap<Caller, usize> = HashMap::new();
        for entry in self.holds.values() {
            *by_caller.entry(entry.caller).or_default() += entry.bytes;
        }
        let now = Instant::now();
        let cost = |entry: &Entry| {
            let age = now.saturating_duration_since(entry.since).as_micros();
            (by_caller.get(&entry.caller).copied(), entry.bytes as u128 * (age + 1))
        };
        let may_go = self.holds.iter().filter(|(_, entry)| entry.give_up.is_some() && entry.bytes > free);
        may_go.max_by_key(|(_, entry)| cost(entry)).map(|(number, _)| *number)
    }
}

impl Hold {
    /// Holds more. Others may have to give up theirs for it.
    ///
    /// # Errors
    /// [`NoRoom`] where this is what has to be given up; it then holds nothing.
    pub(crate) fn grow(&self, more: usize) -> Result<(), NoRoom> {
        let mut given_up = Vec::new();
        let grown = self.grow_to(more, &mut given_up);
        // Outside of the lock: it may drop a hold.
        given_up.into_iter().for_each(|give_up: GiveUp| give_up());
        grown
    }

    fn grow_to(&self, more: usize, given_up: &mut Vec<GiveUp>) -> Result<(), NoRoom> {
        let mut books = self.budget.books();
        let Some(entry) = books.holds.get_mut(&self.number) else { return Err(NoRoom) };
        entry.bytes += more;
        let is_small = entry.bytes <= self.budget.free;
        books.total += more;
        while books.total > self.budget.most {
            let worst = match books.worst(self.budget.free) {
                Some(worst) => worst,
                None if is_small => break,
                None => self.number,
            };
            let entry = books.remove(worst);
            if worst == self.number {
                return Err(NoRoom);
            }
            given_up.extend(entry.and_then(|entry| entry.give_up));
        }
        Ok(())
    }

    /// From now on it is kept to its end: it is at work.
    pub(crate) fn keep(&self) {
        if let Some(entry) = self.budget.books().holds.get_mut(&self.number) {
            entry.give_up = None;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        drop(self.budget.books().remove(self.number));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// A hold that counts whether it was given up.
    fn hold(budget: &Arc<ByteBudget>, caller: Caller, count: &Arc<AtomicUsize>) -> Hold {
        let count = Arc::clone(count);
        budget.hold(caller, move || {
            count.fetch_add(1, Ordering::Relaxed);
        })
    }

    #[test]
    fn who_holds_most_for_longest_gives_up_first() {
        let budget = ByteBudget::new(100, 0);
        let (greedy, modest) = (Caller::Key(1), Caller::Key(2));
        let [old, young, other] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let given_up = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        let first = hold(&budget, greedy, &old);
        first.grow(45).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        let second = hold(&budget, greedy, &young);
        second.grow(45).unwrap();
        let third = hold(&budget, modest, &other);
        third.grow(30).unwrap();
        assert_eq!([given_up(&old), given_up(&young), given_up(&other)], [1, 0, 0]);
        assert_eq!(budget.held(), 75);
        assert_eq!(first.grow(1), Err(NoRoom), "it was given up");
        second.keep();
        assert_eq!(third.grow(60), Err(NoRoom), "what is at work stays");
        assert_eq!(budget.held(), 45);
        drop((first, second, third));
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn the_small_goes_on_where_the_large_at_work_fills_the_budget() {
        let budget = ByteBudget::new(100, 10);
        let large = hold(&budget, Caller::Unknown, &Arc::default());
        large.grow(100).unwrap();
        large.keep();
        let small = hold(&budget, Caller::Unknown, &Arc::default());
        assert_eq!(small.grow(10), Ok(()));
        assert_eq!(small.grow(1), Err(NoRoom), "it is small no more");
        assert_eq!(budget.held(), 100);
    }

    #[test]
    fn what_is_larger_than_the_budget_never_fits() {
        let budget = ByteBudget::new(100, 0);
        let alone = hold(&budget, Caller::Unknown, &Arc::default());
        assert_eq!(alone.grow(101), Err(NoRoom));
        assert_eq!(budget.held(), 0);
    }
}
