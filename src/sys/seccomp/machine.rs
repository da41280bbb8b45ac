//! The kernel's machine for filters, as far as ours need it, and the rule in other words.
//!
//! With both, the filters of all architectures are tested on any machine, and fuzzed: whatever a call is, what the
//! program answers is what the rule says.

use super::{
    Arch,
    rule::{ALLOW, AND, ARCH, IF_ABOVE, IF_ANY_BIT, IF_EQUAL, KILL, LOAD, NR, RETURN, Step, errno, program},
    table::REFUSED,
};

/// What the kernel says of a call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    arch: u32,
    number: u32,
    arguments: [u64; 6],
}

/// What the program answers. Panics where the kernel would not have taken the program.
fn run(program: &[Step], call: &Call) -> u32 {
    let word = |at: u32| match at {
        NR => call.number,
        ARCH => call.arch,
        _ => {
            assert!((16..64).contains(&at) && at.is_multiple_of(4), "{at} is no word of an argument");
            let argument = call.arguments[(at as usize - 16) / 8];
            if at.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
        }
    };
    let (mut at, mut value) = (0, 0);
    loop {
        let Step { code, jt, jf, k } = program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            LOAD => value = word(k),
            AND => value &= k,
            IF_EQUAL => at += jump(value == k),
            IF_ABOVE => at += jump(value > k),
            IF_ANY_BIT => at += jump(value & k != 0),
            RETURN => return k,
            _ => panic!("no instruction: {code:#x}"),
        }
    }
}

/// What the rule says of a call, without the program's means.
fn said(arch: Arch, call: &Call) -> u32 {
    let (x86, audit) = match arch {
        Arch::X86_64 => (true, 0xc000_003e),
        Arch::Aarch64 => (false, 0xc000_00b7),
    };
    if call.arch != audit {
        return KILL;
    }
    let number = call.number;
    if number & 0x4000_0000 != 0 || number > 469 || number == 435 {
        return errno(libc::ENOSYS);
    }
    let mut refused = REFUSED.iter().map(|(_, on_x86, on_arm)| if x86 { on_x86 } else { on_arm });
    if refused.any(|one| *one == Some(number)) {
        return errno(libc::EPERM);
    }
    let [first, second, third, ..] = call.arguments;
    // What the kernel makes of an int, and of what it is named.
    let int = |argument: u64| (argument & 0xffff_ffff) as i32;
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    match (x86, number) {
        (true, 41) | (false, 198) => {
            let kind = int(second) & !(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK);
            if !matches!(int(first), libc::AF_UNIX | libc::AF_INET | libc::AF_INET6)
                || !matches!(kind, libc::SOCK_STREAM | libc::SOCK_DGRAM)
            {
                errno(libc::EAFNOSUPPORT)
            } else if !matches!(int(third), 0 | libc::IPPROTO_TCP | libc::IPPROTO_UDP) {
                errno(libc::EPROTONOSUPPORT)
            } else {
                ALLOW
            }
        }
        (true, 53) | (false, 199) if int(first) != libc::AF_UNIX => errno(libc::EAFNOSUPPORT),
        (true, 56) | (false, 220) if int(first) & namespaces != 0 => errno(libc::EPERM),
        // CLONE_NEWTIME is 0x80.
        (true, 272) | (false, 97) if first >> 32 != 0 || int(first) & (namespaces | 0x80) != 0 => {
            errno(libc::EPERM)
        }
        (true, 16) | (false, 29) if matches!(int(second), 0x5412 | 0x541c | 0x5423) => errno(libc::EPERM),
        // BTRFS_IOC_SNAP_CREATE, SUBVOL_CREATE, SNAP_CREATE_V2, SUBVOL_CREATE_V2: `_IOW(0x94, n, [u8; 4096])`.
        (true, 16) | (false, 29) if matches!(int(second).cast_unsigned() ^ 0x5000_9400, 1 | 14 | 23 | 24) => {
            errno(libc::EPERM)
        }
        _ => ALLOW,
    }
}

/// The fuzz entry: a call of any architecture, number and arguments is answered as the rule says, by both
/// filters. Two bytes choose an architecture and a way to make the number; the rest is taken in turn.
pub fn fuzz(data: &[u8]) {
    let mut bytes = data.iter().copied().chain(std::iter::repeat(0));
    let mut take = |count: usize| -> u64 {
        bytes.by_ref().take(count).enumerate().fold(0, |all, (at, byte)| all | u64::from(byte) << (8 * at))
    };
    let arch = match take(1) % 4 {
        0 => Arch::X86_64.audit(),
        1 => Arch::Aarch64.audit(),
        // The 32-bit one of the same machine.
        2 => 0x4000_0003,
        _ => take(4) as u32,
    };
    let number = if take(1) % 2 == 0 { take(2) % 600 } else { take(4) } as u32;
    let arguments = std::array::from_fn(|_| take(8));
    let call = Call { arch, number, arguments };
    for arch in [Arch::X86_64, Arch::Aarch64] {
        assert_eq!(run(&program(arch), &call), said(arch, &call), "{arch:?} {call:x?}");
    }
}

#[cfg(test)]
mod tests;
