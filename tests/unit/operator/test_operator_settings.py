"""A setting that is wrong is named in one line, as by every process."""

import subprocess
import sys

import pytest

from tests.support.charts import ROOT

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("events", "stats"), {}, "cinelog: DATABASE_ADMIN_URL is not set"),
        (("backup", "list"), {"BACKUP_KEY": KEY}, "cinelog: BACKUP_TARGET is not set"),
        (
            ("backup", "list"),
            {"BACKUP_TARGET": "/tmp", "BACKUP_KEY": "secret"},
            "cinelog: BACKUP_KEY: must be 32 random bytes in base64: openssl rand -base64 32",
        ),
    ],
)
def test_it_is_named_in_one_line(
    arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "services.operator.main", *arguments),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"{said}\n"
