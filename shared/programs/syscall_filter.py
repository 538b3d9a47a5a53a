"""The seccomp filter of ffmpeg's runs, as a program for the kernel (classic BPF). Pure.

A decoder reads, writes, allocates memory and starts threads. The filter refuses what reaches other
processes, what enters code of the kernel that no decoder needs, and what undoes the other layers.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

# linux/seccomp.h, asm-generic/errno-base.h: what happens to a call.
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_EPERM: Final = 0x00050000 | 1
_ENOSYS: Final = 0x00050000 | 38

# linux/bpf_common.h
_LOAD: Final = 0x20
_EQUAL: Final = 0x15
_AT_LEAST: Final = 0x35
_ANY_BIT: Final = 0x45
_AND: Final = 0x54
_RETURN: Final = 0x06

# Offsets in struct seccomp_data; both architectures are little-endian.
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

# linux/sched.h
_THREAD: Final = 0x00010000
_NAMESPACES: Final = 0x7E020000
_AF_INET: Final = 2
_SOCK_STREAM: Final = 1
_IPPROTO_TCP: Final = 6

# Calls that were added to Linux later are answered as by an older kernel.
_LAST_KNOWN: Final = 450
# x86-64 has a second set of numbers for the x32 ABI.
_X32: Final = 0x40000000

# linux/audit.h
_AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_PLACE: Final = {"x86_64": 0, "aarch64": 1}

# Numbers on x86-64 and arm64; None where the call does not exist.
_Numbers = tuple[int | None, int | None]

_OTHER_PROCESSES: Final[dict[str, _Numbers]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "semget": (64, 190),
    "shmget": (29, 194),
    "fork": (57, None),
    "vfork": (58, None),
    "execveat": (322, 281),
}

_KERNEL: Final[dict[str, _Numbers]] = {
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "syslog": (103, 116),
    "personality": (135, 92),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "vmsplice": (278, 75),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "vhangup": (153, 58),
}

_IDENTITY: Final[dict[str, _Numbers]] = {
    "setuid": (105, 146),
    "setgid": (106, 144),
    "setreuid": (113, 145),
    "setregid": (114, 143),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "setgroups": (116, 159),
    "setfsuid": (122, 151),
    "setfsgid": (123, 152),
    "capset": (126, 91),
}

# Landlock knows no modes and owners. A decoder makes plain files only.
_FILES: Final[dict[str, _Numbers]] = {
    "mknod": (133, None),
    "mknodat": (259, 33),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "link": (86, None),
    "linkat": (265, 37),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
}

# What a client of TCP does not need.
_SERVING: Final[dict[str, _Numbers]] = {
    "socketpair": (53, 199),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
}

REFUSED: Final = {**_OTHER_PROCESSES, **_KERNEL, **_IDENTITY, **_FILES, **_SERVING}

_CLONE: Final[_Numbers] = (56, 220)
_CLONE3: Final[_Numbers] = (435, 435)
_PRLIMIT: Final[_Numbers] = (302, 261)
_SOCKET: Final[_Numbers] = (41, 198)
_CONNECT: Final[_Numbers] = (42, 203)
_SENDTO: Final[_Numbers] = (44, 206)

_Instruction = tuple[int, int, int, int]


def build_filter(machine: str, *, network: bool) -> bytes:
    """The filter for a machine type as ``platform.machine`` names it; empty for an unknown one.

    ``network``: the run may open connections over TCP and IPv4.
    """
    if machine not in _AUDIT:
        return b""
    place = _PLACE[machine]
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT[machine]),
        _answer(_KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        _answer(_KILL),
        (_AT_LEAST, 0, 1, _LAST_KNOWN + 1),
        _answer(_ENOSYS),
    ]
    for numbers in REFUSED.values():
        program += _when(numbers[place], [_answer(_EPERM)])
    # The C library uses clone instead, whose flags the filter can see.
    program += _when(_CLONE3[place], [_answer(_ENOSYS)])
    program += _when(_CLONE[place], _threads_only())
    program += _when(_PRLIMIT[place], _must_equal(0, 0))
    if network:
        program += _when(_SOCKET[place], _tcp_only())
        # With an address, sendto connects by itself (TCP fast open).
        program += _when(_SENDTO[place], [*_must_equal(4, 0, last=False), *_must_be_short(4)])
    else:
        for numbers in (_SOCKET, _CONNECT, _SENDTO):
            program += _when(numbers[place], [_answer(_EPERM)])
    return _assembled([*program, _answer(_ALLOW)])


def _when(number: int | None, block: list[_Instruction]) -> Iterator[_Instruction]:
    """Run ``block``, which ends with an answer, where the call has this number."""
    if number is not None:
        yield (_EQUAL, 0, len(block), number)
        yield from block


def _threads_only() -> list[_Instruction]:
    return [
        _argument(0),
        (_ANY_BIT, 2, 0, _NAMESPACES),
        (_ANY_BIT, 0, 1, _THREAD),
        _answer(_ALLOW),
        _answer(_EPERM),
    ]


def _tcp_only() -> list[_Instruction]:
    return [
        _argument(0),
        (_EQUAL, 0, 6, _AF_INET),
        _argument(1),
        # Without SOCK_NONBLOCK and SOCK_CLOEXEC.
        (_AND, 0, 0, 0xF),
        (_EQUAL, 0, 3, _SOCK_STREAM),
        _argument(2),
        # Landlock does not see connections over multipath TCP.
        (_EQUAL, 2, 0, 0),
        (_EQUAL, 1, 0, _IPPROTO_TCP),
        _answer(_EPERM),
        _answer(_ALLOW),
    ]


def _must_equal(place: int, value: int, *, last: bool = True) -> list[_Instruction]:
    """Refuse unless the lower half of an argument has this value."""
    checked = [_argument(place), (_EQUAL, 1, 0, value), _answer(_EPERM)]
    return [*checked, _answer(_ALLOW)] if last else checked


def _must_be_short(place: int) -> list[_Instruction]:
    """Refuse unless the upper half of an argument is zero."""
    upper = (_LOAD, 0, 0, _ARGUMENTS + 8 * place + 4)
    return [upper, (_EQUAL, 1, 0, 0), _answer(_EPERM), _answer(_ALLOW)]


def _argument(place: int) -> _Instruction:
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * place)


def _answer(action: int) -> _Instruction:
    return (_RETURN, 0, 0, action)


def _assembled(program: Iterable[_Instruction]) -> bytes:
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
