"""What the filter of system calls answers, on both architectures: its program is run here as the
kernel runs it (linux/filter.h)."""

import struct
from typing import Final

import pytest

from shared.programs.syscall_filter import REFUSED, build_filter

AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x50001, 0x50026
THREAD: Final = 0x003D0F00
MACHINES: Final = ["x86_64", "aarch64"]


def answer(program: bytes, machine: str, number: int, *arguments: int) -> int:
    """Run a filter on one call."""
    values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<iIQ6Q", number, AUDIT[machine], 0, *values)
    rows = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        code, yes, no, constant = rows[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, constant)
            case 0x54:
                accumulator &= constant
            case 0x15:
                at += yes if accumulator == constant else no
            case 0x35:
                at += yes if accumulator >= constant else no
            case 0x45:
                at += yes if accumulator & constant else no
            case 0x06:
                return constant
            case _:
                raise AssertionError(f"instruction {code:#x}")


def test_an_unknown_machine_has_no_filter() -> None:
    assert build_filter("sparc64", network=False) == b""


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("network", [False, True])
def test_what_no_decoder_needs_is_refused(machine: str, *, network: bool) -> None:
    program = build_filter(machine, network=network)
    assert len(program) // 8 < 4096
    place = MACHINES.index(machine)
    for name, numbers in REFUSED.items():
        number = numbers[place]
        if number is not None:
            assert answer(program, machine, number) == EPERM, name
    numbers = [each[place] for each in REFUSED.values() if each[place] is not None]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("machine", MACHINES)
def test_what_every_program_needs_is_allowed(machine: str) -> None:
    """read, write, openat, mmap, mprotect, munmap, futex, exit_group, execve, getrandom."""
    x86 = (0, 1, 257, 9, 10, 11, 202, 231, 59, 318)
    arm = (63, 64, 56, 222, 226, 215, 98, 94, 221, 278)
    program = build_filter(machine, network=False)
    for number in x86 if machine == "x86_64" else arm:
        assert answer(program, machine, number) == ALLOW, number


@pytest.mark.parametrize("machine", MACHINES)
def test_only_threads_are_made(machine: str) -> None:
    program = build_filter(machine, network=False)
    clone = 56 if machine == "x86_64" else 220
    assert answer(program, machine, clone, THREAD) == ALLOW
    assert answer(program, machine, clone, 17) == EPERM
    for space in (0x10000000, 0x20000000, 0x40000000, 0x02000000, 0x04000000, 0x08000000, 0x20000):
        assert answer(program, machine, clone, THREAD | space) == EPERM
    assert answer(program, machine, 435, 0x1000, 88) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets(machine: str) -> None:
    x86 = machine == "x86_64"
    socket, connect, sendto = (41, 42, 44) if x86 else (198, 203, 206)
    without = build_filter(machine, network=False)
    for number in (socket, connect, sendto):
        assert answer(without, machine, number, 2, 1, 6) == EPERM
    program = build_filter(machine, network=True)
    # SOCK_CLOEXEC and SOCK_NONBLOCK may be asked for.
    for kind, protocol in ((1, 0), (1, 6), (1 | 0o2000000 | 0o4000, 6)):
        assert answer(program, machine, socket, 2, kind, protocol) == ALLOW
    for family, kind, protocol in (
        *((1, 1, 0), (10, 1, 6), (16, 3, 0), (17, 3, 0), (40, 1, 0), (38, 5, 0)),
        *((2, 2, 17), (2, 3, 1), (2, 1, 262), (2, 5, 132)),
    ):
        assert answer(program, machine, socket, family, kind, protocol) == EPERM
    assert answer(program, machine, connect, 3) == ALLOW
    assert answer(program, machine, sendto, 3, 1, 1, 0, 0, 0) == ALLOW
    assert answer(program, machine, sendto, 3, 1, 1, 0, 0x7FFE0000, 16) == EPERM
    assert answer(program, machine, sendto, 3, 1, 1, 0, 0x7FFE00000000, 16) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_limits_of_others_are_not_touched(machine: str) -> None:
    program = build_filter(machine, network=False)
    prlimit = 302 if machine == "x86_64" else 261
    assert answer(program, machine, prlimit, 0, 7) == ALLOW
    assert answer(program, machine, prlimit, 4711, 7) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_other_kinds_are_no_way_around(machine: str) -> None:
    program = build_filter(machine, network=False)
    for number in (451, 462, 600, 0x3FFFFFFF):
        assert answer(program, machine, number) == ENOSYS
    assert answer(program, machine, 0x40000000 + 57) == KILL
    other = MACHINES[1 - MACHINES.index(machine)]
    assert answer(program, other, 0) == KILL
