//! What can be wrong with an entry or with the directory, each with a stable code and what to do.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::types::{Published, Trouble};
use crate::{
    limits,
    store::{FileError, HomeError, KeyFileError},
    wire::id::AgentId,
};

/// Why an entry does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// a symbolic link stands in its place
    Symlink,
    /// a directory, FIFO, socket or device stands in its place
    NotRegular,
    /// it belongs to this other uid
    Owner(u32),
    /// its mode lets others in
    Mode(u32),
    /// it is larger than [`limits::REGISTRY_ENTRY`]
    TooLarge,
    /// it does not say what an entry says: this field
    Malformed(&'static str),
    /// it is about another agent than its file's name says
    Name,
    /// its address is not a loopback literal with a port
    Address,
    /// its address is this instance's own
    OwnPort,
    /// its process has ended
    PidDead(u32),
    /// its process is another user's
    PidForeign(u32),
    /// nobody listens at its address
    NoListener(SocketAddr),
    /// what listens at its address is not its process
    OtherListener(SocketAddr),
    /// the kernel does not tell whether it is
    Unknown(SocketAddr),
    /// the system refused to read it
    Unreadable(String),
}

impl Wrong {
    /// Stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Symlink => "entry_symlink",
            Self::NotRegular => "entry_not_regular",
            Self::Owner(_) => "entry_owner",
            Self::Mode(_) => "entry_mode",
            Self::TooLarge => "entry_too_large",
            Self::Malformed(_) => "entry_malformed",
            Self::Name => "entry_name",
            Self::Address => "entry_address",
            Self::OwnPort => "entry_own_port",
            Self::PidDead(_) => "entry_pid_dead",
            Self::PidForeign(_) => "entry_pid_foreign",
            Self::NoListener(_) => "entry_no_listener",
            Self::OtherListener(_) => "entry_other_listener",
            Self::Unknown(_) => "entry_unknown",
            Self::Unreadable(_) => "entry_unreadable",
        }
    }

    /// Whether its instance has certainly ended: nothing that could come back has this process and port.
    pub fn is_dead(&self) -> bool {
        match self {
            Self::PidDead(_) | Self::PidForeign(_) | Self::NoListener(_) | Self::OtherListener(_) => true,
            Self::Symlink
            | Self::NotRegular
            | Self::Owner(_)
            | Self::Mode(_)
            | Self::TooLarge
            | Self::Malformed(_)
            | Self::Name
            | Self::Address
            | Self::OwnPort
            | Self::Unknown(_)
            | Self::Unreadable(_) => false,
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Symlink => "it is a symbolic link, which is never followed".to_owned(),
            Self::NotRegular => "it is not a regular file".to_owned(),
            Self::Owner(uid) => format!("it belongs to uid {uid} and not to you"),
            Self::Mode(mode) => format!("its mode is {mode:04o} and lets others in"),
            Self::TooLarge => format!("it is larger than {} bytes", limits::REGISTRY_ENTRY),
            Self::Malformed("JSON") => "it is not the JSON of an entry".to_owned(),
            Self::Malformed(field) => format!("its `{field}` is not valid"),
            Self::Name => "it is about another agent than its name says".to_owned(),
            Self::Address => "its local_url is not a loopback address with a port".to_owned(),
            Self::OwnPort => "its local_url is this instance's own".to_owned(),
            Self::PidDead(pid) => format!("its process {pid} has ended"),
            Self::PidForeign(pid) => format!("its process {pid} is another user's"),
            Self::NoListener(at) => format!("nobody listens at {at}"),
            Self::OtherListener(at) => format!("what listens at {at} is not its process"),
            Self::Unknown(at) => format!("the kernel does not tell whether its process listens at {at}"),
            Self::Unreadable(why) => format!("it cannot be read; the system says: {why}"),
        }
    }

    fn next(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Mode(_) => format!("chmod 600 {path}"),
            Self::Symlink | Self::NotRegular | Self::Owner(_) | Self::TooLarge => format!("remove {path}"),
            Self::Malformed(_) | Self::Name | Self::Address | Self::OwnPort => {
                format!("remove {path}, or restart the program that wrote it")
            }
            Self::PidDead(_) | Self::PidForeign(_) | Self::NoListener(_) | Self::OtherListener(_) => {
                "nothing: it is removed soon".to_owned()
            }
            Self::Unknown(_) => "run both instances as the same user and in the same container".to_owned(),
            Self::Unreadable(_) => format!("look at {path}"),
        }
    }

    /// For its owner's eyes. `file` is below `directory`.
    pub fn tell(&self, directory: &Path, file: &Path, agent: Option<String>) -> Trouble {
        Trouble {
            file: file.to_owned(),
            agent,
            code: self.code(),
            sentence: self.sentence(),
            next: self.next(&directory.join(file)),
        }
    }
}

impl From<FileError> for Wrong {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Missing => Self::Unreadable("it has gone".to_owned()),
            FileError::Symlink => Self::Symlink,
            FileError::NotRegular => Self::NotRegular,
            FileError::Owner(uid) => Self::Owner(uid),
            FileError::Mode(mode) => Self::Mode(mode),
            FileError::TooLarge => Self::TooLarge,
            FileError::Io(error) => Self::Unreadable(error.to_string()),
        }
    }
}

impl From<KeyFileError> for Wrong {
    fn from(error: KeyFileError) -> Self {
        match error {
            KeyFileError::Dead(pid) => Self::PidDead(pid),
            KeyFileError::ForeignProcess(pid) => Self::PidForeign(pid),
            KeyFileError::NoListener(at) => Self::NoListener(at),
            KeyFileError::ForeignListener(at) => Self::OtherListener(at),
            KeyFileError::Unknown(at) => Self::Unknown(at),
            KeyFileError::Missing => Self::Unreadable("it has gone".to_owned()),
            KeyFileError::File(error) => error.into(),
            KeyFileError::Malformed(field) => Self::Malformed(field),
        }
    }
}

/// Stable code of a directory that cannot be used.
pub(super) fn directory_code(error: &HomeError) -> &'static str {
    match error {
        HomeError::Unknown | HomeError::Missing(_) => "directory_missing",
        HomeError::Symlink(_) => "directory_symlink",
        HomeError::NotDirectory(_) => "directory_not_directory",
        HomeError::Owner(..) => "directory_owner",
        HomeError::Mode(..) => "directory_writable",
        HomeError::Io(..) => "directory_unusable",
    }
}

/// A directory, or one in it, that cannot be used.
pub(super) fn directory(error: &HomeError, directory: &Path, file: &Path) -> Trouble {
    // an empty path would leave a slash at the end
    let path = if file.as_os_str().is_empty() { directory.to_owned() } else { directory.join(file) };
    let next = match error {
        HomeError::Mode(..) => {
            format!("chmod 700 {}, if nobody else could have written there", path.display())
        }
        HomeError::Unknown | HomeError::Missing(_) => format!("mkdir -m 700 {}", path.display()),
        HomeError::Symlink(_) | HomeError::NotDirectory(_) | HomeError::Owner(..) | HomeError::Io(..) => {
            format!("look at {}", path.display())
        }
    };
    Trouble {
        file: file.to_owned(),
        agent: None,
        code: directory_code(error),
        sentence: error.to_string(),
        next,
    }
}

/// What keeps others from finding an agent of ours by its file; `None` where nothing does, or where that is told
/// of the directory.
pub(super) fn own(
    published: &Published,
    directory: &Path,
    file: PathBuf,
    agent: &AgentId,
) -> Option<Trouble> {
    let place = || directory.join(&file).display().to_string();
    let (code, sentence, next) = match published {
        Published::Off | Published::Done => return None,
        Published::Failed(code) if code.starts_with("directory_") => return None,
        Published::Taken => (
            "name_taken",
            "another instance has an agent of this name: others reach that one and not yours",
            "start yours by another name; where the directory is called `reactive`, both have a file"
                .to_owned(),
        ),
        Published::Pending => (
            "registry_pending",
            "the file of your agent is not written yet: somebody else writes there",
            "nothing: it is tried again".to_owned(),
        ),
        Published::Failed("registry_name_case") => (
            "registry_name_case",
            "an agent of yours whose name differs in the case of letters only has this file",
            "start one of the two by another name, if others are to find it".to_owned(),
        ),
        Published::Failed("registry_not_loopback") => (
            "registry_not_loopback",
            "this instance does not listen on loopback, where others would reach your agent",
            "set GENSWARMS_HTTP_IP to an address that takes in loopback".to_owned(),
        ),
        Published::Failed(code) => (
            *code,
            "the file of your agent could not be written",
            format!("see that {} can be written, and that there is room", place()),
        ),
    };
    Some(Trouble { file, agent: Some(agent.as_str().to_owned()), code, sentence: sentence.to_owned(), next })
}

/// Others may see which agents there are: it works, and is told.
pub(super) fn open_directory(mode: u32, path: &Path) -> Trouble {
    Trouble {
        file: "".into(),
        agent: None,
        code: "directory_mode",
        sentence: format!("its mode is {mode:04o}, so that others see the names of your agents"),
        next: format!("chmod 700 {}", path.display()),
    }
}
