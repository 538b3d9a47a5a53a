"""The simulation keeps its own books right."""

import pytest

from benchmarks.transcode.simulate import film, seconds_of, simulate
from services.transcoder.planning.plan import video_tasks

FILM = film("f", "u", 0.0, 300.0)
WORK = sum(seconds_of(FILM, task) for task in video_tasks(FILM.plan))


@pytest.mark.parametrize("workers", [1, 3, 10])
def test_no_work_is_lost_and_none_is_free(workers: int) -> None:
    out = simulate([FILM], workers)["f"]
    assert out.complete >= WORK / workers
    assert out.busy == pytest.approx(WORK / (out.complete * workers))
    assert out.playable < 10


def test_one_worker_is_busy_to_the_end() -> None:
    assert simulate([FILM], 1)["f"].complete == pytest.approx(WORK)


def test_a_users_only_film_does_not_wait_for_anothers_many() -> None:
    many = [film(f"a{number}", "a", 0.0, 300.0) for number in range(10)]
    out = simulate([*many, film("b", "b", 1.0, 300.0)], 4)
    assert out["b"].complete < sorted(out[f"a{number}"].complete for number in range(10))[4]
