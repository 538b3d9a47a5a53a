"""Files of backups: sealed and opened again; whatever is wrong with one is found."""

import base64
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.operator.backups.sealing import (
    FRAME,
    Damaged,
    Sealer,
    WrongKey,
    parse_key,
    sealed_size,
)

KEY = bytes(range(32))
NAME = "sets/20260101T000000Z/database"


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def sealed(data: bytes, name: str = NAME, key: bytes = KEY) -> bytes:
    return b"".join([chunk async for chunk in Sealer(key).seal(name, pieces(data))])


async def opened(data: bytes, name: str = NAME, key: bytes = KEY, size: int = 70_000) -> bytes:
    return b"".join([chunk async for chunk in Sealer(key).open(name, pieces(data, size))])


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME, 3 * FRAME + 7])
async def test_what_was_sealed_is_opened(size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    made = await sealed(data)
    assert len(made) == sealed_size(size)
    assert await opened(made) == data
    assert await opened(made, size=len(made)) == data
    assert await sealed(data) != made


@given(st.integers(0, sealed_size(1000) - 1), st.integers(1, 255))
async def test_a_changed_byte_is_found(at: int, change: int) -> None:
    made = bytearray(await sealed(b"x" * 1000))
    made[at] ^= change
    with pytest.raises((Damaged, WrongKey)):
        await opened(bytes(made))


async def test_a_file_that_is_cut_is_found_wherever_it_is_cut() -> None:
    made = await sealed(b"x" * (2 * FRAME + 5))
    for kept in (0, 10, 48, 49, 48 + FRAME + 16, 48 + 2 * (FRAME + 16), len(made) - 1):
        with pytest.raises(Damaged):
            await opened(made[:kept])
    with pytest.raises(Damaged):
        await opened(made + b"x")


async def test_frames_may_not_change_places_nor_files() -> None:
    made = await sealed(b"a" * FRAME + b"b" * FRAME + b"c")
    first, second = made[48 : 48 + FRAME + 16], made[48 + FRAME + 16 : 48 + 2 * (FRAME + 16)]
    swapped = made[:48] + second + first + made[48 + 2 * (FRAME + 16) :]
    with pytest.raises(Damaged):
        await opened(swapped)
    with pytest.raises(Damaged):
        await opened(made, name="sets/20260102T000000Z/database")


async def test_another_key_is_named() -> None:
    other = bytes(32)
    with pytest.raises(WrongKey) as refused:
        await opened(await sealed(b"data"), key=other)
    assert Sealer(KEY).key_id in str(refused.value)
    assert Sealer(other).key_id in str(refused.value)


def test_a_key_is_32_bytes_in_base64() -> None:
    assert parse_key(base64.b64encode(KEY).decode()) == KEY
    for wrong in ("", "secret", base64.b64encode(b"short").decode(), "*" * 44):
        with pytest.raises(ValueError, match="openssl rand -base64 32"):
            parse_key(wrong)
