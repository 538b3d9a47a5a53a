"""How many handshakes by SRT there may be, whoever makes them."""

from pathlib import Path

from services.live.packaging.child import Program
from services.live.srt.library import Admitted, Rejected
from services.live.srt.logins import SrtLogins
from services.live.srt.publishers import PER_ADDRESS, PER_PROCESS, SrtPublishers
from shared.programs.confinement import Limits
from tests.support.live_publishers import Door

LOGINS = SrtLogins("a secret of the installation, random", plain_keys=False)
NAME = LOGINS.of_key("a-good-key").stream_id
TOO_MANY = Rejected(1429)
LIMITS = Limits(seconds=0, cpu_seconds=60, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0)


class Callers:
    """Handshakes at a time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._publishers = SrtPublishers(
            Door(), Program("ffmpeg", Path("/"), LIMITS), LOGINS.claimed, lambda: self.now
        )

    def admitted(self, address: str, times: int = 1) -> int:
        verdicts = [self._publishers.admit(NAME, address) for _ in range(times)]
        assert all(isinstance(each, Admitted) or each == TOO_MANY for each in verdicts)
        return sum(isinstance(each, Admitted) for each in verdicts)


def test_an_address_has_a_budget_of_its_own() -> None:
    callers = Callers()
    assert callers.admitted("192.0.2.1", 500) == PER_ADDRESS.burst
    assert callers.admitted("192.0.2.2") == 1
    callers.now += 1
    assert callers.admitted("192.0.2.1", 500) == 1


def test_all_addresses_share_another_one() -> None:
    callers = Callers()
    admitted = sum(callers.admitted(f"192.0.2.{number}", 2) for number in range(200))
    assert admitted == PER_PROCESS.burst
    callers.now += 1
    assert sum(callers.admitted(f"198.51.100.{number}") for number in range(200)) == 10
