"""How many handshakes by SRT there may be, whoever makes them."""

from pathlib import Path

from services.live.packaging.child import Program
from services.live.srt.listening import Rejected
from services.live.srt.logins import SrtLogins
from services.live.srt.publishers import PER_ADDRESS, PER_PROCESS, REFUSALS, SrtPublishers
from shared.programs.confinement import Limits
from tests.support.live_publishers import Door

LOGINS = SrtLogins("a secret of the installation, random", plain_keys=False)
NAME = LOGINS.of_key("a-good-key").stream_id
TOO_MANY = 1429
LIMITS = Limits(seconds=0, cpu_seconds=60, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0)


class Callers:
    """Handshakes at a time that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.unanswered = 0
        self._publishers = SrtPublishers(
            Door(), Program("ffmpeg", Path("/"), LIMITS), LOGINS.claimed, lambda: self.now
        )

    def admitted(self, address: str, times: int = 1) -> int:
        verdicts = [self._publishers.admit(NAME, address) for _ in range(times)]
        refused = [each for each in verdicts if isinstance(each, Rejected)]
        assert {each.code for each in refused} <= {TOO_MANY}
        self.unanswered = sum(each.insists for each in refused)
        return len(verdicts) - len(refused)


def test_an_address_has_a_budget_of_its_own() -> None:
    callers = Callers()
    assert callers.admitted("192.0.2.1", 500) == PER_ADDRESS.burst
    assert callers.unanswered == 500 - PER_ADDRESS.burst - REFUSALS.burst
    assert callers.admitted("192.0.2.2") == 1
    callers.now += 1
    assert callers.admitted("192.0.2.1", 500) == 1


def test_all_addresses_that_one_customer_has_are_one() -> None:
    callers = Callers()
    admitted = sum(callers.admitted(f"2001:db8:1:2:{number:x}::1", 5) for number in range(1, 100))
    assert admitted == PER_ADDRESS.burst
    assert callers.admitted("2001:db8:1:3::1") == 1
    assert callers.admitted("::ffff:192.0.2.7", 500) == PER_ADDRESS.burst
    assert callers.admitted("192.0.2.7") == 0


def test_all_addresses_share_another_one() -> None:
    callers = Callers()
    admitted = sum(callers.admitted(f"192.0.2.{number}", 2) for number in range(200))
    assert admitted == PER_PROCESS.burst
    callers.now += 1
    assert sum(callers.admitted(f"198.51.100.{number}") for number in range(200)) == 10
