//! A real instance, started as a user would start it.
//!
//! A process of its own from the release build, in a temporary home, asked over its socket like any
//! client would: nothing is measured from inside.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::child::Server;

/// A running `loopgate serve` in a home of its own; both go when it is dropped.
pub struct Instance {
    /// The process and its address.
    pub server: Server,
    /// The header line of the owner key.
    pub key: String,
    /// From before fork and exec to its ready line.
    pub ready_after: Duration,
    /// Dropped after the server.
    _home: Home,
}

impl Instance {
    /// Starts `binary` with nothing but these variables, a home (its own, unless they name one) and PATH.
    pub fn start(binary: &Path, env: &[(&str, &str)]) -> io::Result<Self> {
        let home = Home::new()?;
        let mut command = Command::new(binary);
        command.arg("serve").env_clear().env("LOOPGATE_HOME", &home.0).env("PATH", "/usr/bin:/bin");
        command.env("HOME", &home.0).envs(env.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let from = Instant::now();
        let mut child = command.spawn()?;
        let mut stderr = BufReader::new(child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut line = String::new();
        while !line.contains("-ESTART ") {
            line.clear();
            if stderr.read_line(&mut line)? == 0 {
                return Err(io::Error::other("the instance ended before its ready line"));
            }
        }
        let ready_after = from.elapsed();
        // What it says later is read and dropped, so that it never waits for us.
        std::thread::spawn(move || io::copy(&mut stderr.by_ref(), &mut io::sink()));
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("web:")?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no address in {line:?}")))?;
        let server = Server { child, address };
        let named = env.iter().find(|(name, _)| *name == "LOOPGATE_HOME").map(|(_, path)| Path::new(path));
        let file: Value = serde_json::from_slice(&fs::read(named.unwrap_or(&home.0).join("authkey"))?)?;
        let key = file["auth_key"].as_str().ok_or_else(|| io::Error::other("no key in the key file"))?;
        Ok(Self { server, key: format!("X-AuthKey: {key}\r\n"), ready_after, _home: home })
    }
}

/// The release binary of this checkout, built now.
pub fn build() -> io::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--bin", "loopgate"])
        .current_dir(&root)
        .status()?;
    if !built.success() {
        return Err(io::Error::other("cargo build --release failed"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/loopgate"))
}

struct Home(PathBuf);

impl Home {
    fn new() -> io::Result<Self> {
        use std::{
            os::unix::fs::DirBuilderExt,
            sync::atomic::{AtomicU32, Ordering},
        };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("loopgate-bench-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
