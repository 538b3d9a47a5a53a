"""What an account may add to what it uses."""

import pytest

from services.ingest.quotas import Addition, Quota, QuotaExceeded, Quotas, Usage, check_quota
from services.ingest.settings import IngestSettings

_QUOTA = Quota(bytes=100, videos=3, open_uploads=2, encode_minutes=10)


@pytest.mark.parametrize(
    ("usage", "adding"),
    [
        (Usage(), Addition(bytes=100, videos=3, open_uploads=2)),
        (Usage(bytes=100), Addition(videos=1)),
        (Usage(encode_minutes=9), Addition(videos=1)),
        (Usage(encode_minutes=50), Addition(bytes=1)),
    ],
)
def test_what_is_allowed(usage: Usage, adding: Addition) -> None:
    check_quota(_QUOTA, usage, adding)


@pytest.mark.parametrize(
    ("usage", "adding", "named"),
    [
        (Usage(bytes=60), Addition(bytes=41), ["bytes"]),
        (Usage(bytes=101), Addition(videos=1), ["bytes"]),
        (Usage(videos=3), Addition(videos=1), ["videos"]),
        (Usage(open_uploads=2), Addition(open_uploads=1), ["open_uploads"]),
        (Usage(encode_minutes=10), Addition(videos=1), ["encode_minutes"]),
        (Usage(bytes=100, videos=3), Addition(bytes=1, videos=1), ["bytes", "videos"]),
    ],
)
def test_what_is_too_much(usage: Usage, adding: Addition, named: list[str]) -> None:
    with pytest.raises(QuotaExceeded) as refused:
        check_quota(_QUOTA, usage, adding)
    assert [detail.field for detail in refused.value.details] == named
    assert all("allowed" in detail.message for detail in refused.value.details)


def test_without_a_quota_there_is_no_limit() -> None:
    usage = Usage(bytes=1 << 60, videos=10**9, open_uploads=10**6, encode_minutes=10**6)
    check_quota(Quota(), usage, Addition(bytes=1 << 50, videos=1, open_uploads=1))


def test_trusted_accounts_may_use_more() -> None:
    quotas = Quotas(_QUOTA, _QUOTA.times(10))
    assert quotas.of("user") == _QUOTA
    assert quotas.of("trusted") == Quota(bytes=1000, videos=30, open_uploads=20, encode_minutes=100)


def test_nothing_is_unlimited_unless_it_is_configured() -> None:
    fields = dict.fromkeys(("quota_bytes", "quota_videos", "quota_open_uploads"), 0)
    required = {
        name: "x" for name in IngestSettings.__struct_fields__ if name.startswith(("s3_", "jwt"))
    }
    values = required | {"bind": None, "database_url": "x", "amqp_url": "x", "jwks_url": "x"}
    default = IngestSettings(**values).quotas  # pyright: ignore[reportArgumentType]
    assert None not in (default.user.bytes, default.user.videos, default.user.open_uploads)
    unlimited = IngestSettings(**values, **fields).quotas  # pyright: ignore[reportArgumentType]
    assert unlimited.user == Quota(encode_minutes=2880)
    assert unlimited.trusted == Quota(encode_minutes=28_800)
