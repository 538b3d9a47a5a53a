"""Runs one program with limits: ``python -I -S sandbox.py LIMITS_JSON PROGRAM ARGUMENT…``.

This script imports nothing of the project and replaces itself with the program by exec. It needs
no privileges. It sets resource limits, lets the kernel kill the program when its worker dies, and
installs a seccomp filter (Linux, x86-64 and arm64) that refuses system calls no decoder needs.
"""

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys

# linux/prctl.h
_SET_PDEATHSIG = 1
_SET_SECCOMP = 22
_SET_NO_NEW_PRIVS = 38
_MODE_FILTER = 2

# linux/seccomp.h and linux/audit.h
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | 13  # as EACCES
_KILL = 0x80000000

_ARCHITECTURES = {
    "x86_64": (
        0xC000003E,
        # ptrace, mount, umount2, pivot_root, chroot, unshare, setns, process_vm_readv and
        # writev, bpf, io_uring_setup, keyctl, add_key, kexec_load, init_module
        (101, 165, 166, 155, 161, 272, 308, 310, 311, 321, 425, 250, 248, 246, 175),
        # socket, connect, sendto, bind, listen
        (41, 42, 44, 49, 50),
    ),
    "aarch64": (
        0xC00000B7,
        (117, 40, 39, 41, 51, 97, 268, 270, 271, 280, 425, 219, 217, 104, 105),
        (198, 203, 206, 200, 201),
    ),
}


def _filter(audit: int, refused: tuple[int, ...]) -> bytes:
    """The BPF program: it kills calls of other architectures, and refuses some with EACCES."""
    rows = [(0x20, 0, 0, 4), (0x15, 1, 0, audit), (0x06, 0, 0, _KILL), (0x20, 0, 0, 0)]
    count = len(refused)
    rows += [(0x15, count - place, 0, number) for place, number in enumerate(refused)]
    rows += [(0x06, 0, 0, _ALLOW), (0x06, 0, 0, _REFUSE)]
    return b"".join(struct.pack("<HBBI", *row) for row in rows)


def _confine(network: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return
    audit, always, sockets = known
    program = _filter(audit, always if network else always + sockets)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        sys.exit("sandbox: no_new_privs was refused")
    if libc.prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(header), 0, 0):
        sys.exit("sandbox: the seccomp filter was refused")


def main() -> None:
    limits = json.loads(sys.argv[1])
    os.nice(limits["nice"])
    cpu = limits["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _confine(limits["network"])
    if os.getppid() == 1 and limits["parent"] != 1:
        # The worker died before prctl set the death signal.
        sys.exit("sandbox: the worker is gone")
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the worker gives the program's full path


if __name__ == "__main__":
    main()
