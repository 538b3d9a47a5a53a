"""A hash that another process goes on with is the hash of the whole."""

import hashlib
import random

import pytest

from services.transcoder.coordinator.resumable_sha256 import ResumableSha256, can_resume

DATA = random.Random(1).randbytes(70_000)


@pytest.mark.parametrize("at", [0, 64, 4096, 65_536, 69_952])
def test_a_resumed_hash_is_that_of_the_whole(at: int) -> None:
    assert can_resume()
    first = ResumableSha256()
    first.update(DATA[:at])
    second = ResumableSha256(first.kept())
    for start in range(at, len(DATA), 1000):
        second.update(DATA[start : start + 1000])
    assert second.hexdigest() == second.hexdigest() == hashlib.sha256(DATA).hexdigest()


def test_it_counts_beyond_four_gigabits() -> None:
    # The number of bits is kept in two words of 32 bits.
    size = (1 << 29) + 64
    whole, first = hashlib.sha256(), ResumableSha256()
    block = DATA[: 1 << 16]
    for _ in range(size >> 16):
        whole.update(block)
        first.update(block)
    second = ResumableSha256(first.kept())
    whole.update(block[:64])
    second.update(block[:64])
    assert second.hexdigest() == whole.hexdigest()


def test_a_state_in_the_midst_of_a_block_is_refused() -> None:
    found = ResumableSha256()
    found.update(b"x")
    with pytest.raises(ValueError, match="no whole number"):
        found.kept()
