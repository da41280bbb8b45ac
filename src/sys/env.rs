//! Taking secrets out of the environment.

use std::{env, ffi::CStr};

unsafe extern "C" {
    static environ: *mut *mut libc::c_char;
}

/// Copies the value of `name`, overwrites it where it lies (what `/proc/<pid>/environ` shows is
/// the same memory, and unsetting a variable leaves it there) and removes the variable.
///
/// Call it before any other thread exists: nothing else may read the environment meanwhile.
pub fn take_secret(name: &str) -> Option<Vec<u8>> {
    let mut taken = None;
    // SAFETY: the caller has no other thread, so nobody changes `environ` while it is walked. It
    // is an array of NUL-terminated strings that ends with a null pointer. The bytes overwritten
    // are those of the value, up to and without its NUL, in memory that the process owns: the
    // initial block, or what setenv allocated. `remove_var` has the same condition.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            let start = *entry;
            let bytes = CStr::from_ptr(start).to_bytes();
            let value = bytes.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            if let Some(value) = value.map(<[u8]>::to_vec) {
                for at in name.len() + 1..name.len() + 1 + value.len() {
                    start.add(at).write_volatile(0);
                }
                // A second copy is overwritten too, but the first one counts, as for getenv.
                taken.get_or_insert(value);
            }
            entry = entry.add(1);
        }
        env::remove_var(name);
    }
    taken
}
