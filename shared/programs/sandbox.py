"""Runs one program confined: ``python -I -S sandbox.py SPECIFICATION PROGRAM ARGUMENT…``.

This script imports nothing of the project and replaces itself with the program by exec. The
specification is in the format of ``marshal``, in hexadecimal digits, see ``confinement``: each run
waits for these imports, and that of json takes as long as the start of Python. The layers are
independent of each other: another user and no capabilities, resource limits, Landlock (files, TCP,
signals), seccomp (system calls). One that the kernel does not have is left out; the worker reports
which.
"""

import ctypes
import marshal
import os
import resource
import struct
import sys

# The module typing takes as long to import as all of the above.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)

# linux/prctl.h, linux/seccomp.h
_SET_PDEATHSIG = 1
_SET_SECCOMP = 22
_SET_NO_NEW_PRIVS = 38
_AMBIENT = 47
_AMBIENT_CLEAR_ALL = 4
_MODE_FILTER = 2
# Not from the module signal, which imports as much again.
_SIGKILL = 9
# linux/capability.h
_CAPABILITY_VERSION = 0x20080522

# linux/landlock.h; the numbers of its calls are the same on all architectures.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH, _PORT = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_REG, _TRUNCATE = 1 << 8, 1 << 14
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPES = 0b11
# Rights to files that each version of Landlock knows; it refuses unknown ones.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_RIGHTS_FROM_5 = 16


def _give_up_privileges(uid: int | None, folder: str) -> None:
    """Become another user, who owns the working folder, and drop all capabilities."""
    if uid is not None:
        for entry in [folder, *(found.path for found in os.scandir(folder))]:
            os.chown(entry, uid, uid, follow_symlinks=False)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    _LIBC.prctl(_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("<Ii", _CAPABILITY_VERSION, 0)
    _LIBC.capset(header, bytes(24))


def _limit(limits: "dict[str, Any]") -> None:
    def limit(what: int, most: int) -> None:
        resource.setrlimit(what, (most, most))

    cpu = limits["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    # The data segment counts memory that can be written, the address space all that is mapped.
    limit(resource.RLIMIT_DATA, limits["memory_bytes"])
    limit(resource.RLIMIT_AS, limits["address_bytes"])
    limit(resource.RLIMIT_NOFILE, 64)
    limit(resource.RLIMIT_CORE, 0)


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        # Not all systems have all folders of libraries.
        return
    try:
        rule = struct.pack("<Qi", rights, handle)
        _LIBC.syscall(_ADD_RULE, ruleset, _PATH, rule, 0)
    finally:
        os.close(handle)


def _ruleset(wanted: "dict[str, Any]") -> int | None:
    """Landlock's rules as a handle. Paths are opened here, before the user changes."""
    version = wanted["landlock"]
    if not version:
        return None
    rights = (1 << _RIGHTS.get(version, _RIGHTS_FROM_5)) - 1
    handled = struct.pack("<QQQ", rights, _BIND_TCP | _CONNECT_TCP, _SCOPES)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _LIBC.syscall(_CREATE_RULESET, handled, size, 0)
    if ruleset < 0:
        return None
    for path in wanted["execute"]:
        _allow_path(ruleset, path, _EXECUTE | _READ_FILE)
    for path in wanted["read"]:
        _allow_path(ruleset, path, _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0))
    for path in wanted["open"]:
        _allow_path(ruleset, path, _READ_FILE | _READ_DIR | _EXECUTE)
    writing = _READ_FILE | _READ_DIR | _WRITE_FILE | _MAKE_REG | _TRUNCATE
    _allow_path(ruleset, wanted["folder"], writing & rights)
    if version >= 4 and wanted["port"] is not None:
        rule = struct.pack("<QQ", _CONNECT_TCP, wanted["port"])
        _LIBC.syscall(_ADD_RULE, ruleset, _PORT, rule, 0)
    return ruleset


def _filter_calls(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    if _LIBC.prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(header), 0, 0):
        sys.exit("sandbox: the seccomp filter was refused")


def main() -> None:
    wanted = marshal.loads(bytes.fromhex(sys.argv[1]))  # noqa: S302 - the worker's own
    program = sys.argv[2]
    # Another user may not reach the folder that the program is in.
    opened = os.open(program, os.O_PATH | os.O_CLOEXEC)
    ruleset = _ruleset(wanted)
    os.nice(wanted["nice"])
    _give_up_privileges(wanted["uid"], wanted["folder"])
    # A change of the user clears it, so it is set after that.
    _LIBC.prctl(_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() == 1 and wanted["parent"] != 1:
        # The worker died before prctl set the death signal.
        sys.exit("sandbox: the worker is gone")
    if _LIBC.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        sys.exit("sandbox: no_new_privs was refused")
    if ruleset is not None:
        if _LIBC.syscall(_RESTRICT_SELF, ruleset, 0):
            sys.exit("sandbox: Landlock was refused")
        os.close(ruleset)
    _limit(wanted)
    if wanted["filter"]:
        _filter_calls(wanted["filter"])
    if wanted["uid"] is not None:
        program = f"/proc/self/fd/{opened}"
    os.execv(program, sys.argv[2:])  # noqa: S606 - the worker gives the program's full path


if __name__ == "__main__":
    main()
