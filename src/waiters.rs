//! [`Waiters`]: a FIFO queue whose members have numbers, by which they can leave it from any position. Its owner keeps it
//! behind a mutex, and wakes or drops members outside of that. It knows no wakers and no locks.
//!
//! Used by the lock of a frame, the wait queue of a pool and SQLite's write lock.

use std::{collections::VecDeque, mem};

pub(crate) struct Waiters<T> {
    /// In ascending order of their numbers.
    queue: VecDeque<(u64, T)>,
    next: u64,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), next: 0 }
    }
}

impl<T> Waiters<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a member behind all others, and returns its number.
    pub(crate) fn push(&mut self, member: T) -> u64 {
        let number = self.next;
        self.next += 1;
        self.queue.push_back((number, member));
        number
    }

    /// The member that has waited longest, and its number.
    pub(crate) fn first(&self) -> Option<(u64, &T)> {
        self.queue.front().map(|(number, member)| (*number, member))
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        self.queue.pop_front()
    }

    /// Takes out the member with this number, if it is still in the queue.
    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let at = self.at(number)?;
        self.queue.remove(at).map(|(_, member)| member)
    }

    /// Takes out all members. Later ones get numbers of their own.
    pub(crate) fn take_all(&mut self) -> VecDeque<(u64, T)> {
        mem::take(&mut self.queue)
    }

    #[cfg(feature = "sqlite-system")]
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let at = self.at(number)?;
        self.queue.get_mut(at).map(|(_, member)| member)
    }

    #[cfg(feature = "sqlite-system")]
    pub(crate) fn first_mut(&mut self) -> Option<&mut T> {
        self.queue.front_mut().map(|(_, member)| member)
    }

    #[cfg(feature = "sqlite-system")]
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.queue.iter_mut().map(|(_, member)| member)
    }

    fn at(&self, number: u64) -> Option<usize> {
        self.queue.binary_search_by_key(&number, |(number, _)| *number).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_leave_in_order_or_by_their_number() {
        let mut waiters = Waiters::default();
        let numbers: Vec<u64> = "abcd".chars().map(|name| waiters.push(name)).collect();
        assert_eq!(waiters.first(), Some((numbers[0], &'a')));
        assert_eq!(waiters.remove(numbers[2]), Some('c'));
        assert_eq!(waiters.remove(numbers[2]), None);
        assert_eq!(waiters.pop(), Some((numbers[0], 'a')));
        assert_eq!(waiters.remove(numbers[0]), None);
        assert_eq!(waiters.take_all().into_iter().map(|(_, name)| name).collect::<String>(), "bd");
        assert!(waiters.is_empty());
        assert!(!numbers.contains(&waiters.push('e')), "a number is given once");
    }
}
