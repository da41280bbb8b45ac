//! The filter's program: classic BPF over what the kernel says of a call.
//!
//! Arguments are 64 bits, and a comparison has 32. What a call takes as an int the kernel cuts to its lower half
//! before it looks, so only that half is compared here: a call with something above it must not pass for another
//! one. Where the kernel looks at all 64 bits, both halves are.

use super::{
    Arch,
    table::{CLONE3, NEWEST},
};

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

/// Where things are in `struct seccomp_data`; the lower half of an argument comes first on both architectures.
pub(super) const NR: u32 = 0;
pub(super) const ARCH: u32 = 4;
const fn low(argument: u32) -> u32 {
    16 + 8 * argument
}
const fn high(argument: u32) -> u32 {
    low(argument) + 4
}

pub(super) const LOAD: u16 = 0x20;
pub(super) const AND: u16 = 0x54;
pub(super) const IF_EQUAL: u16 = 0x15;
pub(super) const IF_ABOVE: u16 = 0x25;
pub(super) const IF_ANY_BIT: u16 = 0x45;
pub(super) const RETURN: u16 = 0x06;

/// Answers: `SECCOMP_RET_*`, with an error's number in the lower half.
pub(super) const ALLOW: u32 = 0x7fff_0000;
pub(super) const KILL: u32 = 0x8000_0000;
pub(super) const fn errno(number: i32) -> u32 {
    0x0005_0000 | number.cast_unsigned()
}

/// Flags that make a namespace. CLONE_NEWTIME has a bit that clone(2) reads as part of a signal's number.
pub(super) const CLONE_NEW: u32 = 0x7e02_0000;
pub(super) const CLONE_NEWTIME: u32 = 0x80;
/// `SOCK_CLOEXEC | SOCK_NONBLOCK`
pub(super) const SOCK_FLAGS: u32 = 0o2_004_000;

pub(super) const FAMILIES: [u32; 3] = [1, 2, 10];
pub(super) const KINDS: [u32; 2] = [1, 2];
pub(super) const PROTOCOLS: [u32; 3] = [0, 6, 17];
/// TIOCSTI types for the user, TIOCLINUX pastes for him, TIOCSETD changes the line discipline.
pub(super) const TERMINAL_COMMANDS: [u32; 3] = [0x5412, 0x541c, 0x5423];

/// Snapshots and subvolumes of btrfs, which any user may make: they are beyond the places that are looked at.
pub(super) const SUBVOLUME_COMMANDS: [u32; 4] = [0x5000_9401, 0x5000_9417, 0x5000_940e, 0x5000_9418];

fn load(from: u32) -> Step {
    Step { code: LOAD, jt: 0, jf: 0, k: from }
}

fn answer(k: u32) -> Step {
    Step { code: RETURN, jt: 0, jf: 0, k }
}

/// `what` where the comparison holds, and on with the next check where not.
fn when(code: u16, k: u32, what: u32) -> [Step; 2] {
    [Step { code, jt: 0, jf: 1, k }, answer(what)]
}

/// `what` where the comparison does not hold.
fn unless(code: u16, k: u32, what: u32) -> [Step; 2] {
    [Step { code, jt: 1, jf: 0, k }, answer(what)]
}

/// `what` where the loaded number is none of these.
fn one_of(allowed: &[u32], what: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for (at, k) in allowed.iter().enumerate() {
        // Past the other comparisons, and past the answer: a list of a few.
        let jt = u8::try_from(allowed.len().saturating_sub(at)).unwrap_or(u8::MAX);
        steps.push(Step { code: IF_EQUAL, jt, jf: 0, k: *k });
    }
    steps.push(answer(what));
    steps
}

/// The checks of one call, which end in an answer; on with the next call where it is another one.
fn call(number: u32, checks: &[&[Step]]) -> Vec<Step> {
    let mut body = checks.concat();
    body.push(answer(ALLOW));
    let jf = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[Step { code: IF_EQUAL, jt: 0, jf, k: number }][..], &body].concat()
}

/// The filter for this architecture.
pub(super) fn program(arch: Arch) -> Vec<Step> {
    let looked = arch.looked();
    let eperm = errno(libc::EPERM);
    let no_family = errno(libc::EAFNOSUPPORT);
    let mut steps = vec![load(ARCH)];
    // Another ABI has other numbers: nothing that follows would be true of it.
    steps.extend(unless(IF_EQUAL, arch.audit(), KILL));
    steps.push(load(NR));
    // Also the numbers with the bit of x32.
    steps.extend(when(IF_ABOVE, NEWEST, errno(libc::ENOSYS)));
    // C libraries take clone instead, whose flags can be seen.
    steps.extend(when(IF_EQUAL, CLONE3, errno(libc::ENOSYS)));
    for number in arch.refused() {
        steps.extend(when(IF_EQUAL, number, eperm));
    }
    steps.extend(call(
        looked.socket,
        &[
            &[load(low(0))],
            &one_of(&FAMILIES, no_family),
            &[load(low(1)), Step { code: AND, jt: 0, jf: 0, k: !SOCK_FLAGS }],
            &one_of(&KINDS, no_family),
            &[load(low(2))],
            &one_of(&PROTOCOLS, errno(libc::EPROTONOSUPPORT)),
        ],
    ));
    steps.extend(call(looked.socketpair, &[&[load(low(0))], &one_of(&FAMILIES[..1], no_family)]));
    steps.extend(call(looked.clone, &[&[load(low(0))], &when(IF_ANY_BIT, CLONE_NEW, eperm)]));
    steps.extend(call(
        looked.unshare,
        &[
            &[load(high(0))],
            &unless(IF_EQUAL, 0, eperm),
            &[load(low(0))],
            &when(IF_ANY_BIT, CLONE_NEW | CLONE_NEWTIME, eperm),
        ],
    ));
    let commands = TERMINAL_COMMANDS.iter().chain(&SUBVOLUME_COMMANDS);
    let commands: Vec<[Step; 2]> = commands.map(|k| when(IF_EQUAL, *k, eperm)).collect();
    steps.extend(call(looked.ioctl, &[&[load(low(1))], commands.as_flattened()]));
    steps.push(answer(ALLOW));
    steps
}
