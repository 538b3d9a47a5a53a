"""Which sessions a replica takes: by their number, and by what they are measured to cost."""

from services.live.broadcasts.capacity import Capacity, usable_cores


class Machine:
    """A clock, and the processor time of sessions that use so many cores each."""

    def __init__(self, most: int, cores: float) -> None:
        self.now = 100.0
        self.totals: dict[str, float] = {}
        self.capacity = Capacity(most, cores, clock=lambda: self.now, own=lambda: 0.0)

    def run(self, seconds: int, **cores: float) -> None:
        for _ in range(seconds):
            self.now += 1
            self.totals = {name: self.totals.get(name, 0.0) + use for name, use in cores.items()}
            self.capacity.measure(self.totals)


def test_what_is_measured_fills_a_replica() -> None:
    machine = Machine(most=10, cores=2.0)
    assert machine.capacity.room(0) == "any"
    machine.run(60, one=0.5, two=0.5)
    assert machine.capacity.room(2) == "any"
    machine.run(60, one=0.5, two=1.5)
    assert machine.capacity.room(2) == "takeover"
    # A moment of rest is not enough; a while is.
    machine.run(1, one=0.2, two=0.2)
    assert machine.capacity.room(2) == "takeover"
    machine.run(60, one=0.2)
    assert machine.capacity.room(1) == "any"


def test_what_is_not_measured_yet_counts_as_usual() -> None:
    machine = Machine(most=10, cores=1.0)
    assert machine.capacity.room(2) == "any"
    assert machine.capacity.room(3) == "takeover"
    # Three that cost next to nothing: there is room for more.
    machine.run(30, one=0.01, two=0.01, three=0.01)
    assert machine.capacity.room(3) == "any"


def test_running_sessions_are_preferred_where_their_number_is_the_limit() -> None:
    machine = Machine(most=4, cores=64.0)
    assert [machine.capacity.room(running) for running in (3, 4, 5)] == ["any", "takeover", "none"]


def test_a_program_that_was_started_again_counts_from_zero() -> None:
    machine = Machine(most=4, cores=1.0)
    machine.run(60, one=0.5)
    machine.totals = {}
    machine.run(60, one=0.5)
    assert 0.4 < machine.capacity.used < 0.6


def test_there_are_cores() -> None:
    assert usable_cores() > 0
