//! What the shim says: that it is confined, or what failed and how.
//!
//! Each word is six bytes. After the go there is a word only where the program could not be run: otherwise the
//! socket ends, because becoming the program closes it.

/// What the shim does, in this order. The program does not run unless all of it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// keeping others out of its memory
    Hide,
    /// reading the order
    Order,
    /// looking whether each place is what the instance saw
    Place,
    /// setting limits
    Limits,
    /// making the listener
    Listen,
    /// taking its terminal
    Terminal,
    /// entering the directory
    Directory,
    /// applying Landlock
    Landlock,
    /// installing the system call filter
    Seccomp,
    /// leaving no descriptor behind
    Descriptors,
    /// becoming the program
    Exec,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Hide,
        Self::Order,
        Self::Place,
        Self::Limits,
        Self::Listen,
        Self::Terminal,
        Self::Directory,
        Self::Landlock,
        Self::Seccomp,
        Self::Descriptors,
        Self::Exec,
    ];

    /// Its stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Hide => "hide",
            Self::Order => "order",
            Self::Place => "place",
            Self::Limits => "limits",
            Self::Listen => "listen",
            Self::Terminal => "terminal",
            Self::Directory => "directory",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Descriptors => "descriptors",
            Self::Exec => "exec",
        }
    }

    /// What it means that it failed.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Hide => "the sandbox's own memory could not be closed to others",
            Self::Order => "the sandbox did not understand its order",
            Self::Place => "a place in the sandbox is not what was meant to be there",
            Self::Limits => "a limit could not be set",
            Self::Listen => "the way out could not be made on the sandbox's loopback",
            Self::Terminal => "the terminal could not be taken",
            Self::Directory => "the directory to start in could not be entered",
            Self::Landlock => "the kernel's Landlock did not take the rules",
            Self::Seccomp => "the system call filter could not be installed",
            Self::Descriptors => "what is open could not be closed",
            Self::Exec => "the program could not be run",
        }
    }
}

/// What was applied inside, beside the sandbox itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// The system call filter is in force. There is no start without it.
    pub seccomp: bool,
    /// The version of the kernel's Landlock; `None` where there is none that is of use. From 2 on it limits
    /// writing.
    pub landlock: Option<u8>,
    /// Landlock lets connect to the one port only (from version 4 on, if the order wants it).
    pub connect: bool,
    /// Landlock hides abstract unix sockets of others, and shields others from signals (from version 6 on).
    pub scoped: bool,
}

/// One word of the shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// It is confined; with it goes the listener, where the order names a port.
    Confined(Layers),
    /// This step failed, with this error of the system.
    Failed(Step, i32),
}

const CONFINED: u8 = b'c';
const FAILED: u8 = b'f';
const SECCOMP: u8 = 1;
const CONNECT: u8 = 2;
const SCOPED: u8 = 4;

impl Word {
    /// Bytes of a word.
    pub const SIZE: usize = 6;

    pub fn encode(self) -> [u8; Self::SIZE] {
        match self {
            Self::Confined(layers) => {
                let bits = [(layers.seccomp, SECCOMP), (layers.connect, CONNECT), (layers.scoped, SCOPED)];
                let bits = bits.iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit);
                [CONFINED, layers.landlock.unwrap_or_default(), bits, 0, 0, 0]
            }
            Self::Failed(step, errno) => {
                let step = Step::ALL.iter().position(|one| *one == step).unwrap_or_default();
                let [a, b, c, d] = errno.to_le_bytes();
                [FAILED, u8::try_from(step).unwrap_or_default(), a, b, c, d]
            }
        }
    }

    pub fn decode([kind, second, rest @ ..]: [u8; Self::SIZE]) -> Option<Self> {
        match (kind, rest) {
            (CONFINED, [bits, 0, 0, 0]) if bits & !(SECCOMP | CONNECT | SCOPED) == 0 => {
                Some(Self::Confined(Layers {
                    seccomp: bits & SECCOMP != 0,
                    landlock: Some(second).filter(|version| *version != 0),
                    connect: bits & CONNECT != 0,
                    scoped: bits & SCOPED != 0,
                }))
            }
            (FAILED, errno) => {
                Step::ALL.get(usize::from(second)).map(|step| Self::Failed(*step, i32::from_le_bytes(errno)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_arrives_as_it_was_said() {
        for bits in 0..8 {
            for landlock in [None, Some(1), Some(7)] {
                let [seccomp, connect, scoped] = [1, 2, 4].map(|bit| bits & bit != 0);
                let word = Word::Confined(Layers { seccomp, landlock, connect, scoped });
                assert_eq!(Word::decode(word.encode()), Some(word));
            }
        }
        for step in Step::ALL {
            for errno in [0, 1, 133, -1] {
                let word = Word::Failed(step, errno);
                assert_eq!(Word::decode(word.encode()), Some(word));
            }
        }
    }

    #[test]
    fn other_bytes_are_no_word() {
        for bytes in
            [*b"\0\0\0\0\0\0", *b"c\x07\x08\0\0\0", *b"c\x07\x01\0\0\x01", *b"f\x0b\0\0\0\0", *b"g\0\0\0\0\0"]
        {
            assert_eq!(Word::decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn every_step_has_a_code_and_a_sentence_of_its_own() {
        let codes: std::collections::BTreeSet<_> = Step::ALL.iter().map(|step| step.code()).collect();
        let sentences: std::collections::BTreeSet<_> = Step::ALL.iter().map(|step| step.sentence()).collect();
        assert_eq!((codes.len(), sentences.len()), (Step::ALL.len(), Step::ALL.len()));
    }
}
