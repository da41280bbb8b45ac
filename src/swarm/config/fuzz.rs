//! What must hold for any bytes as a config, asserted; driven by cargo-fuzz and by the replayed corpus.

/// Any bytes end in a config or an error.
pub fn fuzz(data: &[u8]) {
    let _ = super::Config::parse(data);
}
