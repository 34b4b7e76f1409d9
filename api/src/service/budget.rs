//! Limits how many bytes of bodies, or of answers, the service holds at once, and decides which are dropped.
//!
//! A limit for each request does not bound the total: a thousand requests within it hold a thousand times as
//! much. So the bytes of all requests are counted. If the total exceeds the budget, the caller that holds
//! most loses the entry with the largest product of bytes and age. So a slow or silent client loses before a
//! quick one, and a client that holds little never loses before the one that fills the memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A body or an answer of up to this many bytes is never refused for its size, because its connection's
/// buffers take as much.
pub(crate) const SMALL: usize = 16 << 10;

/// The source of a request: a key, or the address if there are no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Caller {
    /// The first bytes of a key's digest.
    Key(u64),
    Address(IpAddr),
    Unknown,
}

/// Called when the entry is dropped.
type GiveUp = Box<dyn FnOnce() + Send>;

/// A budget of bytes.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    most: usize,
    /// Entries of up to this many bytes are never refused or dropped, however much others hold, because a
    /// connection's buffers take as much.
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
    /// `None` once it cannot be dropped any more.
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

/// Bytes that count against the budget until this value is dropped.
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
        // The books are consistent after each step, so a panic elsewhere does not harm them.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that are held now.
    pub(crate) fn held(&self) -> usize {
        self.books().total
    }

    /// Starts an empty entry for a caller. `give_up` is called if the entry must be dropped.
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

    /// The entry to drop first; `None` if all entries are small or at work.
    fn worst(&self, free: usize) -> Option<u64> {
        let mut by_caller: HashMap<Caller, usize> = HashMap::new();
        for entry in self.holds.values() {
            *by_caller.entry(entry.caller).or_default() += entry.bytes;
        }
        let now = Instant::now();
        // Compared by the caller's total first, then by bytes times age. `+ 1` makes a new entry count too.
        let cost = |entry: &Entry| {
            let age = now.saturating_duration_since(entry.since).as_micros();
            (by_caller.get(&entry.caller).copied(), entry.bytes as u128 * (age + 1))
        };
        let may_go = self.holds.iter().filter(|(_, entry)| entry.give_up.is_some() && entry.bytes > free);
        may_go.max_by_key(|(_, entry)| cost(entry)).map(|(number, _)| *number)
    }
}

impl Hold {
    /// Adds bytes to this entry. Other entries may be dropped for it.
    ///
    /// # Errors
    /// [`NoRoom`] if this entry is the one to drop; it then holds nothing.
    pub(crate) fn grow(&self, more: usize) -> Result<(), NoRoom> {
        let mut given_up = Vec::new();
        let grown = self.grow_to(more, &mut given_up);
        // Called after the lock is released, because `give_up` may drop another `Hold`, which locks again.
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
                // If nothing else may be dropped, a small entry exceeds the budget and a large one is
                // refused.
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

    /// Protects the entry from now on, because its request is at work.
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

    /// A hold that counts how often it was given up.
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
