"""Renditions go while encoding is too slow, and come back when there is time again."""

from services.live.packaging.shortage import Shortage


class Encoder:
    def __init__(self, renditions: int = 3) -> None:
        self.shortage = Shortage()
        self.now = 0.0
        self.renditions = renditions
        self.changes: list[tuple[float, int]] = []

    def run(self, seconds: int, *, too_slow: bool = False, relaxed: bool = False) -> None:
        for _ in range(seconds):
            self.now += 1
            left = self.renditions - self.shortage.left_out
            if self.shortage.judge(self.now, too_slow=too_slow, relaxed=relaxed, more=left > 1):
                self.changes.append((self.now, self.renditions - self.shortage.left_out))


def test_a_rendition_goes_and_returns() -> None:
    encoder = Encoder()
    encoder.run(10, relaxed=True)
    encoder.run(1, too_slow=True)
    encoder.run(100, relaxed=True)
    assert encoder.changes == [(11, 2), (42, 3)]


def test_the_last_one_stays() -> None:
    encoder = Encoder()
    encoder.run(20, too_slow=True)
    assert encoder.changes == [(1, 2), (2, 1)]
    encoder.run(80, relaxed=True)
    assert [left for _, left in encoder.changes] == [2, 1, 2, 3]


def test_none_returns_while_it_is_only_just_fast_enough() -> None:
    encoder = Encoder()
    encoder.run(1, too_slow=True)
    for _ in range(20):
        encoder.run(20, relaxed=True)
        encoder.run(1)
    assert len(encoder.changes) == 1


def test_one_that_has_to_go_again_waits_longer_each_time() -> None:
    encoder = Encoder()
    for _ in range(8):
        encoder.run(1, too_slow=True)
        encoder.run(1000, relaxed=True)
        gone = [at for at, left in encoder.changes if left == 2][-1]
        back = [at for at, left in encoder.changes if left == 3][-1]
        # It lasted long: the next shortage is another one.
        assert back - gone == 31
    encoder = Encoder()
    waits: list[float] = []
    for _ in range(7):
        encoder.run(1, too_slow=True)
        gone = encoder.now
        while encoder.shortage.left_out:
            encoder.run(1, relaxed=True)
        waits.append(encoder.now - gone)
    assert waits == [31, 61, 121, 241, 481, 961, 961]
