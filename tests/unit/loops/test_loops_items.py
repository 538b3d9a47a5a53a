"""One bad item of many harms nothing but itself."""

import pytest
from prometheus_client import CollectorRegistry

from shared.errors import Unavailable
from shared.loops.items import ItemMetrics, Items


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_one_of_a_hundred_fails_and_the_others_do_not_notice() -> None:
    clock, registry = Clock(), CollectorRegistry()
    items = Items("sweep", ItemMetrics(registry), clock)
    done: list[str] = []
    poisoned = True

    async def step(item: str) -> None:
        if item == "7" and poisoned:
            raise ValueError("an event of a newer version")
        done.append(item)

    everything = [str(number) for number in range(100)]
    await items.each(everything, str, step)
    assert sorted(done) == sorted(set(everything) - {"7"})
    assert items.waiting == ["7"]
    assert registry.get_sample_value("cinelog_item_failures_total", {"loop": "sweep"}) == 1

    # It is tried again after 5 s, then after 10 s, and heals by itself.
    await items.each(["7"], str, step)
    assert registry.get_sample_value("cinelog_item_failures_total", {"loop": "sweep"}) == 1
    clock.now = 6.0
    await items.each(["7"], str, step)
    assert registry.get_sample_value("cinelog_item_failures_total", {"loop": "sweep"}) == 2
    clock.now = 12.0
    assert items.waiting == ["7"]
    clock.now = 17.0
    poisoned = False
    await items.each(["7"], str, step)
    assert "7" in done
    assert items.waiting == []
    assert registry.get_sample_value("cinelog_items_waiting", {"loop": "sweep"}) == 0


@pytest.mark.parametrize("error", [ConnectionError("gone"), TimeoutError(), Unavailable("away")])
@pytest.mark.parametrize("way", ["each", "together"])
async def test_an_outage_ends_the_round_and_is_no_fault_of_an_item(
    error: Exception, way: str
) -> None:
    clock, registry = Clock(), CollectorRegistry()
    items = Items("sweep", ItemMetrics(registry), clock)
    tried: list[str] = []

    async def step(item: str) -> None:
        tried.append(item)
        raise error

    for _ in range(3):
        tried.clear()
        with pytest.raises(type(error)):
            await getattr(items, way)(["a", "b", "c", "d"], str, step)
        assert tried == (["a", "b"] if way == "each" else ["a", "b", "c", "d"])
        # It does not wait longer for each time: the outage may be over at any moment.
        clock.now += 5.1
        assert items.waiting == []
    assert registry.get_sample_value("cinelog_item_failures_total", {"loop": "sweep"}) is None


@pytest.mark.parametrize("way", ["each", "together"])
async def test_one_item_that_alone_meets_an_outage_is_at_fault_itself(way: str) -> None:
    """As an object that the storage never sends: it is asked for less and less often."""
    clock, registry = Clock(), CollectorRegistry()
    items = Items("sweep", ItemMetrics(registry), clock)
    done: list[str] = []

    async def step(item: str) -> None:
        if item == "7":
            raise Unavailable("this object cannot be read")
        done.append(item)

    everything = [str(number) for number in range(20)]
    await getattr(items, way)(everything, str, step)
    assert sorted(done) == sorted(set(everything) - {"7"})
    assert items.waiting == ["7"]
    assert registry.get_sample_value("cinelog_item_failures_total", {"loop": "sweep"}) == 1
    clock.now = 6.0
    await getattr(items, way)(everything, str, step)
    clock.now = 12.0
    assert items.waiting == ["7"], "10 s the second time"


async def test_an_item_that_is_alone_in_its_round_lets_others_go_first() -> None:
    clock = Clock()
    items = Items("compact", ItemMetrics(CollectorRegistry()), clock)

    async def step(_item: str) -> None:
        raise Unavailable("this object cannot be read")

    with pytest.raises(Unavailable):
        await items.each(["a"], str, step)
    assert items.waiting == ["a"]
