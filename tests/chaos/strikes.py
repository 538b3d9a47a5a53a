"""Faults in a given order, some of them at the same time, among uploads that go on meanwhile."""

import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from deploy.local.supervisor import StepFailed
from tests.chaos.kinds import ALONE, KINDS
from tests.chaos.scene import Broken, Scene
from tests.chaos.uploads import Traffic

# Most faults last for some seconds without work: one after the other, they would take hours.
_AT_ONCE = 3
_PAUSE = 0.5
_TRIES = 6
_AGAIN_SECONDS = 5.0


class Strikes:
    """``done``: how often each kind was really done. ``broken``: promises that did not hold."""

    def __init__(self, place: Scene, seed: int, say: Callable[[str], None]) -> None:
        self._place = place
        self._seed = seed
        self._say = say
        self._changed = threading.Condition()
        self._running = 0
        self._exclusive = False
        self.done: Counter[str] = Counter()
        self.broken: list[str] = []

    def all(
        self, order: Sequence[str], traffic: Traffic, uploads: int, going_on: Callable[[], bool]
    ) -> None:
        """Strike with each kind in ``order``, evenly spread over the ``uploads`` of ``traffic``."""
        left = iter(list(enumerate(order)))
        taking = threading.Lock()

        def strike_on() -> None:
            while True:
                with taking:
                    number, name = next(left, (0, ""))
                if not name:
                    return
                traffic.allow(traffic.people + (number + 1) * uploads // len(order))
                while going_on() and traffic.begun * len(order) < number * uploads:
                    time.sleep(_PAUSE)
                with self._turn(alone=name in ALONE):
                    self._strike(number, name)

        threads = [threading.Thread(target=strike_on, daemon=True) for _ in range(_AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @contextmanager
    def _turn(self, *, alone: bool) -> Iterator[None]:
        """Wait until this fault may strike; nothing else strikes while one is ``alone``."""
        with self._changed:
            self._changed.wait_for(lambda: not self._exclusive)
            self._exclusive = alone
            self._changed.wait_for(lambda: not alone or not self._running)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._exclusive = self._exclusive and not alone
                self._changed.notify_all()

    def _strike(self, number: int, name: str) -> None:
        """Try some times: another fault may have taken away what this one needs."""
        chance = random.Random(f"{self._seed} fault {number}")
        began = time.monotonic()
        for _ in range(_TRIES):
            try:
                said = KINDS[name](self._place, chance)
            except Broken as error:
                self.broken.append(f"{name}: {error}")
                return
            except StepFailed as error:
                self.broken.append(f"{name}: not everything started again: {error}")
                return
            except Exception as error:
                # A part that another fault has taken away may not answer to this one yet.
                self._say(f"  {name}: {error!r}\n{traceback.format_exc(limit=-4)}")
                said = None
            if said is not None:
                self.done[name] += 1
                took = time.monotonic() - began
                self._say(f"  {time.strftime('%H:%M:%S')} {said} ({took:.1f} s)")
                return
            time.sleep(_AGAIN_SECONDS)
