"""The certificate of SeaweedFS's parts, whatever the machine's clock has been."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from deploy.local.parts import seaweed_security
from deploy.local.parts.seaweed_security import write_security


@pytest.mark.parametrize("years", [-20, 20])
def test_a_certificate_of_a_wrong_clock_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) + timedelta(days=365 * years)

    with monkeypatch.context() as clock:
        clock.setattr(seaweed_security, "datetime", Wrong)
        write_security(tmp_path, "secret")
    write_security(tmp_path, "secret")
    kept = (tmp_path / "part.crt").read_bytes()
    made = x509.load_pem_x509_certificate(kept)
    assert made.not_valid_before_utc < datetime.now(UTC) < made.not_valid_after_utc
    write_security(tmp_path, "secret")
    assert (tmp_path / "part.crt").read_bytes() == kept
