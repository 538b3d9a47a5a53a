"""How rates are written."""

import pytest

from services.gateway.settings import Rate
from shared.token_bucket import MICROS, Bucket


@pytest.mark.parametrize(
    ("text", "bucket"),
    [
        ("10/s burst 20", Bucket(100_000, 20)),
        ("1/20s burst 3", Bucket(20 * MICROS, 3)),
        ("100/m burst 5", Bucket(600_000, 5)),
        ("2/h  burst 1", Bucket(1800 * MICROS, 1)),
    ],
)
def test_reads_a_rate(text: str, bucket: Bucket):
    assert Rate.parse(text).bucket == bucket


@pytest.mark.parametrize(
    "text", ["", "10", "10/s", "0/s burst 1", "1/0s burst 1", "1/s burst 0", "2000000/s burst 1"]
)
def test_refuses_what_is_no_rate(text: str):
    with pytest.raises(ValueError, match=r"burst|million"):
        Rate.parse(text)
