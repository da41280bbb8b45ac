use super::*;

const BOTH: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

fn answer(arch: Arch, number: u32, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let call = Call { arch: arch.audit(), number, arguments: all };
    let answer = run(&program(arch), &call);
    assert_eq!(answer, said(arch, &call), "{arch:?} {call:x?}");
    answer
}

/// The number of a call that has one on this architecture.
fn number(arch: Arch, [x86_64, aarch64]: [u32; 2]) -> u32 {
    match arch {
        Arch::X86_64 => x86_64,
        Arch::Aarch64 => aarch64,
    }
}

const SOCKET: [u32; 2] = [41, 198];
const SOCKETPAIR: [u32; 2] = [53, 199];
const CLONE: [u32; 2] = [56, 220];
const UNSHARE: [u32; 2] = [272, 97];
const IOCTL: [u32; 2] = [16, 29];

/// A call with something above the lower half of this argument is answered as the one without.
fn cut(arch: Arch, number: u32, arguments: &[u64]) -> u32 {
    let plain = answer(arch, number, arguments);
    for at in 0..arguments.len() {
        for above in [1 << 32, 0xffff_ffff << 32] {
            let mut other = arguments.to_vec();
            other[at] |= above;
            assert_eq!(answer(arch, number, &other), plain, "{arch:?} {number} {other:x?}");
        }
    }
    plain
}

#[test]
fn every_refused_call_is_refused_whatever_its_arguments() {
    for arch in BOTH {
        for refused in arch.refused() {
            for arguments in [[0; 6], [u64::MAX; 6], [1 << 32; 6]] {
                assert_eq!(answer(arch, refused, &arguments), errno(libc::EPERM), "{arch:?} {refused}");
            }
        }
        assert_eq!(answer(arch, 435, &[0x11, 88]), errno(libc::ENOSYS), "clone3");
    }
}

/// On the machine that runs the test, the numbers are those of its C library.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_numbers_are_those_of_the_system() {
    for (name, known) in [
        ("ptrace", libc::SYS_ptrace),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("kcmp", libc::SYS_kcmp),
        ("add_key", libc::SYS_add_key),
        ("request_key", libc::SYS_request_key),
        ("keyctl", libc::SYS_keyctl),
        ("bpf", libc::SYS_bpf),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("mount", libc::SYS_mount),
        ("umount2", libc::SYS_umount2),
        ("pivot_root", libc::SYS_pivot_root),
        ("chroot", libc::SYS_chroot),
        ("setns", libc::SYS_setns),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("io_uring_enter", libc::SYS_io_uring_enter),
        ("io_uring_register", libc::SYS_io_uring_register),
        ("process_madvise", libc::SYS_process_madvise),
        ("move_mount", libc::SYS_move_mount),
        ("open_tree", libc::SYS_open_tree),
        ("fsopen", libc::SYS_fsopen),
        ("fsconfig", libc::SYS_fsconfig),
        ("fsmount", libc::SYS_fsmount),
        ("fspick", libc::SYS_fspick),
        ("mount_setattr", libc::SYS_mount_setattr),
        ("init_module", libc::SYS_init_module),
        ("finit_module", libc::SYS_finit_module),
        ("kexec_load", libc::SYS_kexec_load),
        ("reboot", libc::SYS_reboot),
        ("syslog", libc::SYS_syslog),
        ("iopl", libc::SYS_iopl),
        ("ioperm", libc::SYS_ioperm),
    ] {
        let row = REFUSED.iter().find(|(row, ..)| *row == name).unwrap();
        assert_eq!(row.1.map(libc::c_long::from), Some(known), "{name}");
    }
    let looked = Arch::X86_64.looked();
    assert_eq!(libc::c_long::from(looked.clone), libc::SYS_clone);
    assert_eq!(libc::c_long::from(looked.unshare), libc::SYS_unshare);
    assert_eq!(libc::c_long::from(looked.socket), libc::SYS_socket);
    assert_eq!(libc::c_long::from(looked.socketpair), libc::SYS_socketpair);
    assert_eq!(libc::c_long::from(looked.ioctl), libc::SYS_ioctl);
}

#[test]
fn no_number_stands_twice_in_the_table() {
    for arch in BOTH {
        let mut numbers: Vec<u32> = arch.refused().collect();
        let looked = arch.looked();
        numbers.extend([looked.clone, looked.unshare, looked.socket, looked.socketpair, looked.ioctl, 435]);
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "{arch:?}");
    }
}

#[test]
fn only_streams_and_datagrams_of_unix_and_the_internet_are_made() {
    for arch in BOTH {
        let socket = number(arch, SOCKET);
        for family in 0..50_u64 {
            for kind in 0..16_u64 {
                let allowed = [1, 2, 10].contains(&family) && [1, 2].contains(&kind);
                let wanted = if allowed { ALLOW } else { errno(libc::EAFNOSUPPORT) };
                assert_eq!(cut(arch, socket, &[family, kind, 0]), wanted, "{family} {kind}");
                assert_eq!(answer(arch, socket, &[family, kind | 0o2_004_000, 0]), wanted);
            }
        }
        // A bit that is no flag makes it another kind.
        assert_eq!(answer(arch, socket, &[2, 1 | 0x10, 0]), errno(libc::EAFNOSUPPORT));
        for protocol in 0..300 {
            let allowed = [0, 6, 17].contains(&protocol);
            let wanted = if allowed { ALLOW } else { errno(libc::EPROTONOSUPPORT) };
            assert_eq!(cut(arch, socket, &[10, 1, protocol]), wanted, "{protocol}");
        }
        for family in 0..50 {
            let wanted = if family == 1 { ALLOW } else { errno(libc::EAFNOSUPPORT) };
            assert_eq!(cut(arch, number(arch, SOCKETPAIR), &[family, 1, 0]), wanted, "{family}");
        }
    }
}

#[test]
fn no_namespace_is_made() {
    for arch in BOTH {
        let (clone, unshare) = (number(arch, CLONE), number(arch, UNSHARE));
        for bit in 0..32 {
            let flag = 1_u64 << bit;
            let namespace = CLONE_NEW_BITS.contains(&bit);
            let wanted = if namespace { errno(libc::EPERM) } else { ALLOW };
            assert_eq!(cut(arch, clone, &[flag | 17]), wanted, "clone {bit}");
            let wanted = if namespace || bit == 7 { errno(libc::EPERM) } else { ALLOW };
            assert_eq!(answer(arch, unshare, &[flag]), wanted, "unshare {bit}");
            assert_eq!(answer(arch, unshare, &[flag << 32]), errno(libc::EPERM), "unshare {}", bit + 32);
        }
    }
}

/// NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const CLONE_NEW_BITS: [u32; 7] = [17, 25, 26, 27, 28, 29, 30];

#[test]
fn nothing_is_typed_into_or_pasted_from_a_terminal() {
    for arch in BOTH {
        let ioctl = number(arch, IOCTL);
        for command in [libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCSETD] {
            assert_eq!(cut(arch, ioctl, &[0, command, 0]), errno(libc::EPERM), "{command:#x}");
        }
        for command in [libc::TCGETS, libc::TIOCGWINSZ, libc::TIOCSWINSZ, libc::TIOCSCTTY, libc::FIONREAD] {
            assert_eq!(cut(arch, ioctl, &[0, command, 0]), ALLOW, "{command:#x}");
        }
    }
}

#[test]
fn no_snapshot_and_no_subvolume_is_made() {
    for arch in BOTH {
        let ioctl = number(arch, IOCTL);
        for command in [0x5000_9401, 0x5000_940e, 0x5000_9417, 0x5000_9418] {
            assert_eq!(cut(arch, ioctl, &[3, command, 0]), errno(libc::EPERM), "{command:#x}");
        }
        // FICLONE and FS_IOC_GETFLAGS, which cp and tar use.
        for command in [0x4004_9409, 0x8008_6601] {
            assert_eq!(cut(arch, ioctl, &[3, command, 0]), ALLOW, "{command:#x}");
        }
    }
}

#[test]
fn the_filter_is_handed_on_as_the_kernel_reads_it() {
    let Some(arch) = Arch::here() else { return };
    let bytes = crate::sys::seccomp::encoded().expect("a filter");
    let (steps, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty());
    let program = program(arch);
    assert_eq!(steps.len(), program.len());
    for (bytes, step) in steps.iter().zip(program) {
        let [a, b, jt, jf, rest @ ..] = *bytes;
        let read = (u16::from_ne_bytes([a, b]), jt, jf, u32::from_ne_bytes(rest));
        assert_eq!(read, (step.code, step.jt, step.jf, step.k));
    }
}

#[test]
fn a_call_of_another_abi_ends_the_process_or_is_not_there() {
    for arch in BOTH {
        for other in [0, 0x4000_0003, 0x4000_0028, 0xc000_003e, 0xc000_00b7, u32::MAX] {
            let call = Call { arch: other, number: 0, arguments: [0; 6] };
            let wanted = if other == arch.audit() { ALLOW } else { KILL };
            assert_eq!(run(&program(arch), &call), wanted, "{arch:?} {other:#x}");
        }
        for number in [0x4000_0000, 0x4000_0029, 512, 521, 547, 470, u32::MAX] {
            assert_eq!(answer(arch, number, &[]), errno(libc::ENOSYS), "{number}");
        }
    }
}

/// What node, python, git and a shell call in their ordinary work: number on x86_64, number on aarch64.
#[test]
fn what_ordinary_programs_call_is_allowed() {
    const ORDINARY: [[u32; 2]; 60] = [
        // read, write, close, openat, newfstatat, statx, lseek, pread64, pwrite64, getdents64
        [0, 63],
        [1, 64],
        [3, 57],
        [257, 56],
        [262, 79],
        [332, 291],
        [8, 62],
        [17, 67],
        [18, 68],
        [217, 61],
        // mmap, mprotect, munmap, brk, mremap, madvise, memfd_create, membarrier, rseq, mlock
        [9, 222],
        [10, 226],
        [11, 215],
        [12, 214],
        [25, 216],
        [28, 233],
        [319, 279],
        [324, 283],
        [334, 293],
        [149, 228],
        // execve, execveat, exit_group, wait4, waitid, kill, tgkill, getpid, setsid, setpgid
        [59, 221],
        [322, 281],
        [231, 94],
        [61, 260],
        [247, 95],
        [62, 129],
        [234, 131],
        [39, 172],
        [112, 157],
        [109, 154],
        // futex, epoll_create1, epoll_ctl, epoll_pwait, eventfd2, timerfd_create, inotify_init1, pipe2, dup3, fcntl
        [202, 98],
        [291, 20],
        [233, 21],
        [281, 22],
        [290, 19],
        [283, 85],
        [294, 26],
        [293, 59],
        [292, 24],
        [72, 25],
        // connect, bind, listen, accept4, sendto, recvfrom, sendmsg, recvmsg, setsockopt, getsockname
        [42, 203],
        [49, 200],
        [50, 201],
        [288, 242],
        [44, 206],
        [45, 207],
        [46, 211],
        [47, 212],
        [54, 208],
        [51, 204],
        // unlinkat, renameat2, mkdirat, symlinkat, fchmodat, prctl, seccomp, pidfd_open, pidfd_send_signal, close_range
        [263, 35],
        [316, 276],
        [258, 34],
        [266, 36],
        [268, 53],
        [157, 167],
        [317, 277],
        [434, 434],
        [424, 424],
        [436, 436],
    ];
    for arch in BOTH {
        for both in ORDINARY {
            assert_eq!(answer(arch, number(arch, both), &[u64::MAX; 6]), ALLOW, "{arch:?} {both:?}");
        }
        // A thread, as pthread_create makes it, and a process, as fork does.
        for flags in [0x003d_0f00, 0x0120_0011, 0x4111] {
            assert_eq!(answer(arch, number(arch, CLONE), &[flags]), ALLOW, "{flags:#x}");
        }
        assert_eq!(answer(arch, number(arch, UNSHARE), &[libc::CLONE_FILES as u64]), ALLOW);
    }
    // fork and vfork exist on one of them only.
    assert_eq!([57, 58].map(|number| answer(Arch::X86_64, number, &[])), [ALLOW; 2]);
}

#[test]
fn the_filter_is_one_that_the_kernel_takes() {
    for arch in BOTH {
        let program = program(arch);
        assert!(program.len() < 4096, "{}", program.len());
        for (at, step) in program.iter().enumerate() {
            let furthest = at + 1 + usize::from(step.jt.max(step.jf));
            assert!(step.code == RETURN || furthest < program.len(), "{arch:?} {at}");
        }
        assert_eq!(program.last().map(|step| step.code), Some(RETURN));
    }
}

/// Each number there is, with arguments of all kinds, against the rule in other words.
#[test]
fn the_filters_and_the_rule_agree_on_every_number() {
    for arch in BOTH {
        for number in (0..1024).chain([0x4000_0000, 0x4000_0038, u32::MAX]) {
            for argument in [0, 1, 2, 0x80, 0x5412, 1 << 28, 1 << 32, u64::MAX] {
                answer(arch, number, &[argument; 6]);
            }
        }
    }
}
