//! Our own memory: giving back what only the start, or a busy hour, needed.
//!
//! The kernel maps a program's code in pieces of 64 KiB around each page that is used, and keeps
//! them mapped. A start goes through most of the program once; an instance that waits uses little.
//! The C library keeps what was freed, in a heap for nearly each thread, and of large buffers too
//! once it has seen one.

use std::{fs::File, io::Read, num::NonZero, ptr::NonNull};

/// The longest list of mappings that is read.
const LIST: u64 = 1024 * 1024;

/// From this size on a buffer has a mapping of its own, which goes when it is freed (`man 3 mallopt`).
#[cfg(target_env = "gnu")]
const OWN_MAPPING: libc::c_int = 128 * 1024;

/// Makes every large buffer go back to the kernel when it is freed: the C library begins so, and with the
/// first one that is freed takes its size for small.
#[cfg(target_env = "gnu")]
pub fn return_large_buffers() {
    // SAFETY: sets a number in the C library, under its own lock; nothing of ours is passed. What it answers
    // only says whether the number is one that it takes.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING) };
}

/// The other C libraries do so anyway.
#[cfg(not(target_env = "gnu"))]
pub fn return_large_buffers() {}

/// Lets go of the pages of code that are mapped now. They stay in the kernel's page cache, and come
/// back one by one when they are used. Where the mappings cannot be read nothing is changed.
pub fn forget_code() {
    let mut list = String::new();
    let read = File::open("/proc/self/maps").and_then(|file| file.take(LIST).read_to_string(&mut list));
    if read.is_err() {
        return;
    }
    for (start, length) in list.lines().filter_map(code) {
        // SAFETY: the range is a private mapping of a file that is readable and executable and not
        // writable, so no page in it was ever changed: what is dropped is read again from the file.
        // A mapping that went away meanwhile makes the call fail, or, replaced by another one of
        // code, do the same to that; nothing maps or unmaps code here once the program runs.
        unsafe { libc::madvise(start.as_ptr(), length.get(), libc::MADV_DONTNEED) };
    }
}

/// Start and length of a mapping of code: `7f00-7f20 r-xp 00001000 fe:00 123 /usr/lib/libc.so.6`.
fn code(line: &str) -> Option<(NonNull<libc::c_void>, NonZero<usize>)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (mode, inode) = (words.next()?, words.nth(2)?);
    if mode != "r-xp" || inode == "0" {
        return None;
    }
    let start = usize::from_str_radix(start, 16).ok()?;
    let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
    Some((NonNull::new(start as *mut libc::c_void)?, NonZero::new(length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mapped_code_of_files_is_let_go_and_the_program_goes_on() {
        let code = |line| code(line).map(|(start, length)| (start.as_ptr() as usize, length.get()));
        assert_eq!(code("1000-3000 r-xp 00001000 fe:00 12 /lib/x.so"), Some((0x1000, 0x2000)));
        for other in [
            "1000-3000 r--p 00001000 fe:00 12 /lib/x.so",
            "1000-3000 rwxp 00001000 fe:00 12 /lib/x.so",
            "1000-3000 r-xp 00000000 00:00 0 [vdso]",
            "3000-1000 r-xp 00001000 fe:00 12 /lib/x.so",
            "1000 r-xp",
            "",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
        forget_code();
        assert_eq!(code("1000-3000 r-xp 00001000 fe:00 12 /lib/x.so"), Some((0x1000, 0x2000)));
    }
}
