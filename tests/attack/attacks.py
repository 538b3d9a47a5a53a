"""The attacks, and what others may notice of them."""

from collections.abc import Iterator
from contextlib import closing
from typing import Final

from msgspec import Struct

from tests.attack import cheap_requests, crowds, lives, webhooks
from tests.attack.hostile_files import with_day_long_gap, with_hour_long_jump, with_large_index
from tests.attack.others import Others, Seen
from tests.attack.scene import Scene


class Attack(Struct, frozen=True):
    """``begin`` attacks ``count`` times until its context ends, and says what became of it.

    ``small``: how often in the suite; 0 where it is not part of it. ``wanted``: words that its
    account must contain.
    """

    begin: cheap_requests.Begin
    count: int
    small: int
    wanted: tuple[str, ...] = ()


ATTACKS: Final[dict[str, Attack]] = {
    "event streams": Attack(crowds.streams, 520, 60, ("20 × HTTP/1.1 200", "429")),
    "event streams of many": Attack(crowds.many_peoples_streams, 2000, 0, ("2000 × HTTP/1.1 200",)),
    "slow uploads": Attack(crowds.slow_uploads, 64, 16, ("upload: 202", "429")),
    "small uploads": Attack(cheap_requests.small_uploads, 200, 40, ("× 202",)),
    "stalled readers": Attack(crowds.stalled_readers, 540, 100),
    "idle connections": Attack(crowds.idle_connections, 4200, 300),
    "slow receivers": Attack(webhooks.slow_receivers, 250, 0, ("in time",)),
    "opened uploads": Attack(cheap_requests.opened_uploads, 150, 150, ("quota_exceeded",)),
    "joined parts": Attack(cheap_requests.joined_parts, 100, 100, ("400",)),
    "a gap of a day": Attack(
        cheap_requests.hostile_file("gap.mp4", with_day_long_gap), 1, 0, ("failed",)
    ),
    "an index beyond its file": Attack(
        cheap_requests.hostile_file("index.mp4", with_large_index), 1, 0, ("failed",)
    ),
    "a jump of an hour": Attack(
        cheap_requests.hostile_file("jump.ts", with_hour_long_jump), 1, 0, ("completed",)
    ),
    "deep pages": Attack(cheap_requests.deep_pages, 10, 4),
    "guessed stream keys": Attack(lives.guessed_keys, 1000, 100, ("the live goes on",)),
    "silent publishers": Attack(lives.silent_publishers, 3000, 200, ("the live goes on",)),
    "held reloads": Attack(lives.held_reloads, 1000, 100, ("the live goes on",)),
    "huge offers": Attack(lives.huge_offers, 200, 20, ("the live goes on", "413")),
    "wrong guesses": Attack(cheap_requests.guesses, 12, 0, ("the owner: 200", "429")),
}

_LOOKS: Final = 30
_FEW_LOOKS: Final = 5

# Milliseconds that others' 95th percentile may be, whatever it was before.
_ENOUGH: Final = 200.0
_GROWTH: Final = 1.2


class Outcome(Struct, frozen=True):
    """What others saw, and what the attacker was answered.

    ``problems``: what must not be. ``slow``: the same of times, which a busy machine can cause too.
    """

    name: str
    before: Seen
    during: Seen
    after: Seen
    account: str
    problems: list[str]
    slow: list[str]

    def __str__(self) -> str:
        mark = "✗" if self.problems or self.slow else "✓"
        line = (
            f"{mark} {self.name}: before {self.before}; during {self.during}; after {self.after};"
            f" the attacker: {self.account}"
        )
        return "\n".join([line, *(f"    {each}" for each in (*self.problems, *self.slow))])


def run(scene: Scene, name: str, *, small: bool) -> Outcome:
    """One attack, and what comes of it."""
    attack = ATTACKS[name]
    with closing(Others(scene, _FEW_LOOKS if small else _LOOKS)) as others:
        before = others.look()
        with attack.begin(scene, attack.small if small else attack.count) as account:
            during = others.look()
            said = account()
        after = others.look()
    looks = {"during": during, "after": after}
    problems = [
        *(
            f"{when}: {seen.failed} requests of others failed"
            for when, seen in looks.items()
            if seen.failed
        ),
        *(f"{when}: the gateway is not ready" for when, seen in looks.items() if not seen.ready),
        *(f"not said: {words}" for words in attack.wanted if words not in said),
    ]
    slow = [each for when, seen in looks.items() for each in _slower(when, before, seen)]
    return Outcome(name, before, during, after, said, problems, slow)


def _slower(when: str, before: Seen, seen: Seen) -> Iterator[str]:
    for what in ("latest", "playlist"):
        least, now = getattr(before, what), getattr(seen, what)
        if now > max(_ENOUGH, _GROWTH * least):
            yield f"{when}: {what} took {now:.0f} ms instead of {least:.0f} ms"
