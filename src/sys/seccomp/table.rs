//! Which system calls are refused, and their numbers.
//!
//! Numbers from 424 on are the same on all architectures. Where an architecture does not have a call, or has none
//! that is known here, there is no number.

use super::Arch;

/// What is refused whatever its arguments: name, number on x86_64, number on aarch64. All with EPERM.
pub(super) const REFUSED: [(&str, Option<u32>, Option<u32>); 60] = [
    // Asynchronous calls that no filter sees.
    ("io_uring_setup", Some(425), Some(425)),
    ("io_uring_enter", Some(426), Some(426)),
    ("io_uring_register", Some(427), Some(427)),
    // Other processes.
    ("ptrace", Some(101), Some(117)),
    ("process_vm_readv", Some(310), Some(270)),
    ("process_vm_writev", Some(311), Some(271)),
    ("process_madvise", Some(440), Some(440)),
    ("pidfd_getfd", Some(438), Some(438)),
    ("kcmp", Some(312), Some(272)),
    ("move_pages", Some(279), Some(239)),
    ("migrate_pages", Some(256), Some(238)),
    // Keys of the user, which belong to no namespace.
    ("add_key", Some(248), Some(217)),
    ("request_key", Some(249), Some(218)),
    ("keyctl", Some(250), Some(219)),
    // Programs within the kernel, its counters, its faults.
    ("bpf", Some(321), Some(280)),
    ("perf_event_open", Some(298), Some(241)),
    ("userfaultfd", Some(323), Some(282)),
    // Mounts and roots.
    ("mount", Some(165), Some(40)),
    ("umount2", Some(166), Some(39)),
    ("pivot_root", Some(155), Some(41)),
    ("chroot", Some(161), Some(51)),
    ("move_mount", Some(429), Some(429)),
    ("open_tree", Some(428), Some(428)),
    ("open_tree_attr", Some(467), Some(467)),
    ("fsopen", Some(430), Some(430)),
    ("fsconfig", Some(431), Some(431)),
    ("fsmount", Some(432), Some(432)),
    ("fspick", Some(433), Some(433)),
    ("mount_setattr", Some(442), Some(442)),
    // Namespaces of others. Those of its own are in `rule`.
    ("setns", Some(308), Some(268)),
    // The machine.
    ("init_module", Some(175), Some(105)),
    ("finit_module", Some(313), Some(273)),
    ("delete_module", Some(176), Some(106)),
    ("create_module", Some(174), None),
    ("get_kernel_syms", Some(177), None),
    ("query_module", Some(178), None),
    ("kexec_load", Some(246), Some(104)),
    ("kexec_file_load", Some(320), Some(294)),
    ("reboot", Some(169), Some(142)),
    ("swapon", Some(167), Some(224)),
    ("swapoff", Some(168), Some(225)),
    ("acct", Some(163), Some(89)),
    ("quotactl", Some(179), Some(60)),
    ("quotactl_fd", Some(443), Some(443)),
    ("syslog", Some(103), Some(116)),
    ("open_by_handle_at", Some(304), Some(265)),
    ("fanotify_init", Some(300), Some(262)),
    ("settimeofday", Some(164), Some(170)),
    ("clock_settime", Some(227), Some(112)),
    ("sethostname", Some(170), Some(161)),
    ("setdomainname", Some(171), Some(162)),
    ("vhangup", Some(153), Some(58)),
    ("iopl", Some(172), None),
    ("ioperm", Some(173), None),
    ("modify_ldt", Some(154), None),
    // Leftovers that no program needs.
    ("nfsservctl", Some(180), Some(42)),
    ("lookup_dcookie", Some(212), Some(18)),
    ("uselib", Some(134), None),
    ("_sysctl", Some(156), None),
    ("sysfs", Some(139), None),
];

/// The numbers of the calls whose arguments decide.
pub(super) struct Looked {
    pub clone: u32,
    pub unshare: u32,
    pub socket: u32,
    pub socketpair: u32,
    pub ioctl: u32,
}

/// clone3 has its flags in memory, where no filter can look.
pub(super) const CLONE3: u32 = 435;
/// The newest call that was looked at (file_setattr, Linux 6.17). What comes later is as if the kernel did not
/// have it; so are the numbers from 512 on that older kernels take for x32 even without its bit.
pub(super) const NEWEST: u32 = 469;

impl Arch {
    pub(super) fn refused(self) -> impl Iterator<Item = u32> {
        REFUSED.iter().filter_map(move |(_, x86_64, aarch64)| match self {
            Self::X86_64 => *x86_64,
            Self::Aarch64 => *aarch64,
        })
    }

    pub(super) fn looked(self) -> Looked {
        match self {
            Self::X86_64 => Looked { clone: 56, unshare: 272, socket: 41, socketpair: 53, ioctl: 16 },
            Self::Aarch64 => Looked { clone: 220, unshare: 97, socket: 198, socketpair: 199, ioctl: 29 },
        }
    }
}
