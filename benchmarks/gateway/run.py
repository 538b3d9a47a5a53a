"""``make bench-gateway``: the gateway beside nginx and Traefik. See README.md for the method."""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.gateway import cost, load, peers
from benchmarks.gateway.processes import Process
from tests.support.ending import end_on_signals


def say(line: str = "") -> None:
    """Print without a buffer."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def pairs(
    first: Callable[[], float], second: Callable[[], float], count: int
) -> tuple[float, list[float]]:
    """Interleave; the median of ``first`` ÷ ``second``, and all of them."""
    ratios = []
    for number in range(count):
        if number % 2:
            below = second()
            above = first()
        else:
            above = first()
            below = second()
        ratios.append(above / below)
    return statistics.median(ratios), sorted(ratios)


def verdict(what: str, value: float, spread: list[float], least: float, reach: float) -> None:
    """One line of the table."""
    word = "reached" if value >= reach else "enough" if value >= least else "TOO LOW"
    say(
        f"{what:58s} {value:6.2f}  ({spread[0]:.2f} … {spread[-1]:.2f})"
        f"  at least {least}, reach for {reach}: {word}"
    )


def requests_section(stage: peers.Stage, count: int) -> None:
    """JSON requests: everything on, and refused ones."""
    token = stage.token()
    gateway, nginx, traefik = peers.gateway(stage), peers.nginx(stage), peers.traefik(stage)
    refusing = peers.gateway(stage, "refusing", "1/h burst 1", 1)
    rates: dict[str, list[float]] = {}

    def of(proxy: Process, refused: bool = False) -> Callable[[], float]:
        def one() -> float:
            done = load.requests(proxy, None if proxy.name in ("nginx", "traefik") else token)
            assert refused == (done.failed > 0), (proxy.name, done.failed)
            rates.setdefault(proxy.name, []).append(done.rate)
            return done.rate

        return one

    try:
        for proxy in (gateway, nginx, traefik, refusing):
            load.requests(proxy, token, 2)
        verdict("full policy ÷ Traefik with its Redis limit",
                *pairs(of(gateway), of(traefik), count), 1.0, 1.35)  # fmt: skip
        verdict("full policy ÷ nginx proxy_pass", *pairs(of(gateway), of(nginx), count), 0.16, 0.25)
        verdict("refused (429) ÷ Traefik's allowed",
                *pairs(of(refusing, True), of(traefik), count), 1.8, 2.5)  # fmt: skip
        for name, found in rates.items():
            median = statistics.median(found)
            say(f"  {name:10s} {median:8.0f} requests per CPU second, {1e6 / median:6.1f} µs each")
    finally:
        for proxy in (gateway, nginx, traefik, refusing):
            proxy.stop()


def bodies_section(stage: peers.Stage, count: int) -> None:
    """1 GB up and down."""
    gateway, nginx = peers.gateway(stage), peers.nginx(stage)
    try:
        for name, transfer in (("up", load.upload), ("down", load.download)):
            transfer(gateway, 64 << 20)
            transfer(nginx, 64 << 20)
            rates: list[float] = []

            def ours(
                transfer: Callable[[Process], load.Slice] = transfer, rates: list[float] = rates
            ) -> float:
                rates.append(transfer(gateway).rate)
                return rates[-1]

            def theirs(transfer: Callable[[Process], load.Slice] = transfer) -> float:
                return transfer(nginx).rate

            verdict(
                f"1 GB {name}, MB per CPU second ÷ nginx", *pairs(ours, theirs, count), 0.6, 0.9
            )
            say(f"  gateway {statistics.median(rates):.0f} MB per CPU second")
        grown = load.memory_with_slow_peer(gateway)
        say(f"peak memory while a slow client takes its time: {grown:+.1f} MB (≤ 16, reach for 8)")
    finally:
        gateway.stop()
        nginx.stop()


def huge_section(stage: peers.Stage) -> None:
    """One body of 10 GiB up, as a large source would be."""
    gateway = peers.gateway(stage)
    try:
        load.upload(gateway, 256 << 20)  # buffers have their size now
        with load.watched_memory(gateway) as risen:
            done = load.upload(gateway, 10 * load.GIB)
            say(
                f"10 GiB up: {done.per_second:.0f} MB/s, {done.rate:.0f} MB per CPU second,"
                f" memory {gateway.memory() / 1e6:.0f} MB, at most {risen():+.1f} MB on the way"
            )
    finally:
        gateway.stop()


def latency_section(stage: peers.Stage, count: int) -> None:
    """What it adds at 200 requests per second, and to an event, beside what nginx adds."""
    gateway, nginx, token = peers.gateway(stage), peers.nginx(stage), stage.token()
    targets = {"gateway": gateway.port, "nginx": nginx.port}
    try:
        load.latency(gateway.port, token, 0.5)
        for what, measure in (
            ("p50 at 200/s", lambda port: load.latency(port, token)),
            ("p50 of an event", load.event_latency),
        ):
            added: dict[str, list[float]] = {name: [] for name in targets}
            for _ in range(count):
                direct = measure(stage.backend.port)
                for name, port in targets.items():
                    added[name].append(measure(port) - direct)
            ours, theirs = (statistics.median(found) for found in added.values())
            say(f"added {what}: {ours:.2f} ms (≤ 1, reach for 0.3); nginx adds {theirs:.2f} ms")
    finally:
        gateway.stop()
        nginx.stop()


def limits_section(stage: peers.Stage) -> None:
    """Two gateways, one Redis, 10/s burst 20, 200/s offered for ten seconds."""
    both = [peers.gateway(stage, name, "10/s burst 20", 2) for name in ("one", "two")]
    try:
        time.sleep(1.5)  # the keys are fetched
        offered = asyncio.run(load.offer([proxy.port for proxy in both], stage.token()))
        say(
            f"two gateways, {offered.per_second:.0f}/s offered for {offered.seconds:.1f} s:"
            f" {offered.allowed} allowed (20 + 10 a second, ± 1)"
        )
    finally:
        for proxy in both:
            proxy.stop()


def main() -> None:
    """Run the chosen sections."""
    sections: dict[str, Callable[[peers.Stage, int], None]] = {
        "requests": requests_section,
        "bodies": bodies_section,
        "huge": lambda stage, _: huge_section(stage),
        "latency": latency_section,
        "limits": lambda stage, _: limits_section(stage),
        "cost": lambda stage, _: cost.section(stage, say),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[[], *sections], metavar="section")
    parser.add_argument("--pairs", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cinelog-bench-") as folder:
        Path(folder).chmod(0o755)
        stage = peers.Stage(Path(folder))
        try:
            for name in chosen.sections or sections:
                say(f"== {name}")
                sections[name](stage, chosen.pairs)
        finally:
            stage.stop()


if __name__ == "__main__":
    end_on_signals()
    main()
