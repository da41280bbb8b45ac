//! Names that many messages share, kept once: mailboxes, callers, reasons.
//!
//! Each use is counted, so that a name is forgotten with the last message that carries it.

use std::{collections::HashMap, sync::Arc};

/// Stands for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Name(u32);

#[derive(Debug)]
struct Slot {
    text: Arc<str>,
    uses: u32,
}

/// All names in use.
#[derive(Debug, Default)]
pub(super) struct Names {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    by_text: HashMap<Arc<str>, Name>,
}

impl Names {
    /// The name of a text, used once more.
    pub fn take(&mut self, text: &str) -> Name {
        if let Some(&name) = self.by_text.get(text) {
            self.again(name);
            return name;
        }
        let text: Arc<str> = text.into();
        let slot = Some(Slot { text: Arc::clone(&text), uses: 1 });
        let name = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.slots.get_mut(at as usize) {
                    *place = slot;
                }
                Name(at)
            }
            None => {
                self.slots.push(slot);
                Name(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
            }
        };
        self.by_text.insert(text, name);
        name
    }

    /// One more use of a name.
    pub fn again(&mut self, name: Name) {
        if let Some(Some(slot)) = self.slots.get_mut(name.0 as usize) {
            slot.uses = slot.uses.saturating_add(1);
        }
    }

    /// One use less.
    pub fn release(&mut self, name: Name) {
        let Some(place) = self.slots.get_mut(name.0 as usize) else { return };
        let Some(slot) = place else { return };
        slot.uses = slot.uses.saturating_sub(1);
        if slot.uses == 0 {
            self.by_text.remove(&slot.text);
            *place = None;
            self.free.push(name.0);
        }
    }

    /// The name of a text that is in use.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.by_text.get(text).copied()
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.slots.get(name.0 as usize).and_then(Option::as_ref).map_or("", |slot| &slot.text)
    }

    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_forgotten_with_its_last_use() {
        let mut names = Names::default();
        let (a, b) = (names.take("a"), names.take("b"));
        assert_eq!(names.take("a"), a);
        assert_eq!((names.text(a), names.text(b), names.len()), ("a", "b", 2));
        names.release(a);
        assert_eq!(names.find("a"), Some(a));
        names.release(a);
        assert_eq!((names.find("a"), names.text(a), names.len()), (None, "", 1));
        assert_eq!(names.take("c"), a, "its place is used again");
        assert_eq!((names.text(b), names.slots.len()), ("b", 2));
    }
}
