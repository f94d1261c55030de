//! One line of waiting things in three classes.

use std::collections::VecDeque;

use crate::Priority;

/// Of so many things served, one is the one that has waited longest, whatever its class: what keeps the low class from
/// waiting for ever behind a steady stream of others.
const OLDEST_EVERY: u8 = 8;

/// A place in a [`Line`]: the class, and a number that rises with the time of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    priority: Priority,
    number: i64,
}

/// How far a [`Line`] has been looked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    class: usize,
    index: usize,
}

/// Things that wait: high before normal before low, in the order of their arrival within a class; every eighth one
/// served is the one that has waited longest.
#[derive(Clone, Debug)]
pub struct Line<T> {
    classes: [VecDeque<(i64, T)>; 3],
    /// Number of the next arrival.
    next: i64,
    /// Number of the next one that is put in front.
    front: i64,
    served: u8,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { classes: [const { VecDeque::new() }; 3], next: 0, front: -1, served: 0 }
    }
}

impl<T> Line<T> {
    /// Things in line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.iter().map(VecDeque::len).sum()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(VecDeque::is_empty)
    }

    /// How many are served before one that joins now with `priority`; the eighth ones are not counted.
    #[must_use]
    pub fn ahead(&self, priority: Priority) -> usize {
        self.classes[..=priority as usize].iter().map(VecDeque::len).sum()
    }

    /// Joins the end of its class.
    pub fn push(&mut self, priority: Priority, item: T) -> Ticket {
        let number = self.next;
        self.next += 1;
        self.classes[priority as usize].push_back((number, item));
        Ticket { priority, number }
    }

    /// Goes back to the head of its class, as the one that has waited longest.
    pub fn push_front(&mut self, priority: Priority, item: T) {
        self.classes[priority as usize].push_front((self.front, item));
        self.front -= 1;
    }

    /// Takes the next one.
    pub fn pop(&mut self) -> Option<T> {
        let class = if self.served + 1 == OLDEST_EVERY { self.oldest() } else { self.first() }?;
        self.served = (self.served + 1) % OLDEST_EVERY;
        self.classes[class].pop_front().map(|(_, item)| item)
    }

    /// Takes one out of the line, where it still is in it.
    pub fn remove(&mut self, ticket: Ticket) -> Option<T> {
        let class = &mut self.classes[ticket.priority as usize];
        let index = class.binary_search_by_key(&ticket.number, |(number, _)| *number).ok()?;
        class.remove(index).map(|(_, item)| item)
    }

    /// Takes the next one from `cursor` on, by class and arrival, that `fits`; the cursor stays behind it.
    pub(super) fn take_next(&mut self, cursor: &mut Cursor, mut fits: impl FnMut(&T) -> bool) -> Option<T> {
        while let Some(class) = self.classes.get_mut(cursor.class) {
            while let Some((_, item)) = class.get(cursor.index) {
                if fits(item) {
                    return class.remove(cursor.index).map(|(_, item)| item);
                }
                cursor.index += 1;
            }
            *cursor = Cursor { class: cursor.class + 1, index: 0 };
        }
        None
    }

    /// Takes out the one that has to give way to one of `priority` in a full line: the last of the lowest class below it.
    pub fn displace(&mut self, priority: Priority) -> Option<T> {
        let below = self.classes[priority as usize + 1..].iter_mut().rev();
        below.filter_map(VecDeque::pop_back).map(|(_, item)| item).next()
    }

    /// Takes out everything that `keep` refuses.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.classes.iter_mut().for_each(|class| class.retain(|(_, item)| keep(item)));
    }

    /// Takes out everything, in no particular order.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.classes.iter_mut().flat_map(|class| class.drain(..)).map(|(_, item)| item)
    }

    fn first(&self) -> Option<usize> {
        self.classes.iter().position(|class| !class.is_empty())
    }

    fn oldest(&self) -> Option<usize> {
        let head = |class: usize| Some((self.classes[class].front()?.0, class));
        (0..self.classes.len()).filter_map(head).min().map(|(_, class)| class)
    }
}

#[cfg(test)]
mod tests;
