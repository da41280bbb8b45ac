//! How far a program is kept from the machine it runs on, as an order.
//!
//! Typing into a terminal is a privilege (design section 8): a program that is kept further away has no text typed
//! into one that is kept less, for what is typed there is done there.

use super::cage::Cage;

/// From the least to the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confinement {
    /// a process of this user, or one on another machine
    #[default]
    None,
    /// a sandbox or a container with a network
    Sandboxed,
    /// one whose only way out is one endpoint
    Isolated,
}

impl Confinement {
    /// Of a program in such a cage, or in none.
    pub fn of(cage: Option<&dyn Cage>) -> Self {
        match cage.map(Cage::reaches_instance) {
            None => Self::None,
            Some(true) => Self::Sandboxed,
            Some(false) => Self::Isolated,
        }
    }

    /// Whether text of a program that is confined like this may be typed into one that is confined like `other`.
    pub fn may_type_into(self, other: Self) -> bool {
        self <= other
    }
}

#[cfg(test)]
mod tests {
    use super::Confinement::{Isolated, None, Sandboxed};

    #[test]
    fn a_more_confined_agent_types_into_no_less_confined_one() {
        for (from, to, may) in [
            (None, None, true),
            (None, Sandboxed, true),
            (None, Isolated, true),
            (Sandboxed, None, false),
            (Sandboxed, Sandboxed, true),
            (Sandboxed, Isolated, true),
            (Isolated, None, false),
            (Isolated, Sandboxed, false),
            (Isolated, Isolated, true),
        ] {
            assert_eq!(from.may_type_into(to), may, "{from:?} {to:?}");
        }
    }
}
