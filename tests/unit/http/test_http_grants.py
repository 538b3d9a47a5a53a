"""Grants open one video until one moment, and nothing else."""

import pytest

from shared.http.grants import check, grant

SECRET = "s" * 32


def test_a_grant_opens_its_video_until_it_expires() -> None:
    token = grant(SECRET, "video-1", "session-1", 2000)
    assert check(SECRET, token, "video-1", 1999.9) == "session-1"
    assert not check(SECRET, token, "video-1", 2000)


def test_it_is_fit_for_a_path() -> None:
    assert (
        grant(SECRET, "video-1", "session-1", 2**40)
        .replace(".", "")
        .replace("-", "")
        .replace("_", "")
        .isalnum()
    )


def test_it_opens_nothing_else() -> None:
    token = grant(SECRET, "video-1", "session-1", 2000)
    assert not check(SECRET, token, "video-2", 1000)
    assert not check("t" * 32, token, "video-1", 1000)


@pytest.mark.parametrize(
    "forge",
    [
        lambda t: "",
        lambda t: ".",
        lambda t: "public",
        lambda t: t[:-1],
        lambda t: t + "=",
        lambda t: "fff" + t,
        lambda t: "-7d0." + t.partition(".")[2],
        lambda t: "0x7d0." + t.partition(".")[2],
        lambda t: "7_d0." + t.partition(".")[2],
        lambda t: t.partition(".")[0] + "." + "é" * 43,
        lambda t: t.replace("session-1", "session-2"),
        lambda t: t.replace("session-1", ""),
        lambda t: t.replace(".session-1", ""),
        lambda t: t.replace("session-1", "session-1.x"),
        lambda t: "f" * 10_000 + "." + t.partition(".")[2],
    ],
)
def test_a_forged_one_opens_nothing(forge) -> None:
    assert not check(SECRET, forge(grant(SECRET, "video-1", "session-1", 2000)), "video-1", 1000)
