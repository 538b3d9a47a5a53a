"""``python -m benchmarks.reads.beside``: what requests cost beside a monolith in Go; README.md."""

import asyncio
import itertools
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import msgspec
import psutil

from benchmarks.peers.library import fill_peer
from benchmarks.peers.programs import built, found_go, running
from benchmarks.reads.asking import Answer, Request, Requests, ask, ask_once
from benchmarks.reads.library import fill, id_of
from benchmarks.reads.measuring import API, MOST_READ
from benchmarks.reads.metering import metered
from benchmarks.reads.whole import Cinelog, cinelog
from tests.support.databases import Database, copy_of, migrated_template
from tests.support.ending import end_on_signals
from tests.support.real_parts import real_parts

VIDEOS: Final = 1000
ROUNDS: Final = 7
AT_ONCE: Final = 8
ALONE: Final = 40
"""Requests one after the other, of which the time is the median."""
TIMES: Final[Mapping[str, int]] = {"warm": 1600, "304": 1600, "login": 16}
OTHER_TIMES: Final = 240
WRITES: Final = ("views", "login", "refresh")
ACCOUNTS: Final = 16
"""Few enough sessions each: beyond a hundred, a login ends one."""
_JSON: Final = {"content-type": "application/json"}


class Way(msgspec.Struct, frozen=True):
    """One way to ask one server. ``make`` tells what so many connections ask."""

    name: str
    port: int
    processes: tuple[psutil.Process, ...]
    make: Callable[[int], Requests]


class Cost(msgspec.Struct, frozen=True):
    """Of one request, in microseconds: CPU, and the median time until it is answered."""

    cpu: float
    answered: float


def main() -> None:
    """Ask Cinelog in each way, and the monolith, in turns; print a table. Arguments: kinds."""
    with ExitStack() as stack:
        urls = stack.enter_context(real_parts())
        template = migrated_template(urls.postgres)
        database = stack.enter_context(copy_of(urls.postgres, template))
        asyncio.run(fill(database, VIDEOS))
        peer = stack.enter_context(monolith(database))
        ours = stack.enter_context(cinelog(database, urls.redis))
        ports = [ours.keeping.port, *([peer[1]] if peer else [])]
        tokens = {port: asyncio.run(registered(port)) for port in ports}
        _say(f"{'':16}{'':10}{'CPU, µs':>12}{'÷ Go':>8}{'answered, µs':>14}{'÷ Go':>8}   load")
        wanted = sys.argv[1:] or (*MOST_READ, *WRITES)
        for kind, path in MOST_READ.items():
            if kind in wanted:
                _compare(kind, reads(ours, peer, path, tokens[ours.keeping.port]))
        for kind, ways in writes(ours, peer).items():
            if kind in wanted:
                _compare(kind, ways)


@contextmanager
def monolith(database: Database) -> Iterator[tuple[psutil.Process, int] | None]:
    """The monolith's process and port; None where it cannot be built."""
    program = built("monolith", found_go())
    if program is None:
        yield None
        return
    environment = {
        "DATABASE_URL": asyncio.run(fill_peer(database)),
        "JWT_SECRET": "a-benchmark-s-secret",
        "RATE": "10000",
    }
    with running(program, environment) as found:
        yield found.process, found.port


async def registered(port: int) -> str:
    """Make accounts; the access token of the last one."""
    token = ""
    for number in range(ACCOUNTS):
        body = msgspec.json.encode({**_account(number), "email": f"some{number}@example.org"})
        answer = await ask_once(port, Request("POST", f"{API}/auth/register", _JSON, body, 201))
        token = _data(answer)["access_token"]
    return token


def reads(
    ours: Cinelog, peer: tuple[psutil.Process, int] | None, path: str, token: str
) -> list[Way]:
    """A read of the monolith; of kept answers, with a token, and where none is kept."""
    etag = asyncio.run(ask_once(ours.keeping.port, Request("GET", path))).headers["etag"]
    keeping = ours.keeping.port, ours.processes(ours.keeping)
    asking = ours.asking.port, ours.processes(ours.asking)
    bearer = {"authorization": f"Bearer {token}"}
    return [
        *([Way("Go", peer[1], (peer[0],), _always(Request("GET", path)))] if peer else []),
        Way("warm", *keeping, _always(Request("GET", path))),
        Way("304", *keeping, _always(Request("GET", path, {"if-none-match": etag}, b"", 304))),
        Way("personal", *keeping, _always(Request("GET", path, bearer))),
        Way("cold", *asking, _always(Request("GET", path))),
    ]


def writes(ours: Cinelog, peer: tuple[psutil.Process, int] | None) -> dict[str, list[Way]]:
    """Views, each of another viewer; refreshes; logins."""
    servers = [
        *([("Go", peer[1], (peer[0],))] if peer else []),
        ("Cinelog", ours.keeping.port, ours.processes(ours.keeping)),
    ]
    viewers = itertools.count()
    video = f"{API}/streaming/views/{id_of('video', 7)}"

    def views(_: int) -> Requests:
        return lambda _: Request("PATCH", video, {"user-agent": f"viewer {next(viewers)}"})

    kinds: dict[str, Callable[[int], Requests]] = {"views": views, "login": lambda _: logins()}
    found = {
        kind: [Way(name, port, processes, make) for name, port, processes in servers]
        for kind, make in kinds.items()
    }
    found["refresh"] = [
        Way(name, port, processes, _refreshing(port)) for name, port, processes in servers
    ]
    return found


def logins() -> Requests:
    """Of the accounts that ``registered`` has made, in turns."""
    numbers = itertools.cycle(range(ACCOUNTS))

    def next_login(_: Answer | None) -> Request:
        body = msgspec.json.encode(_account(next(numbers)))
        return Request("POST", f"{API}/auth/login", _JSON, body)

    return next_login


def costs(ways: list[Way], kind: str) -> dict[str, Cost]:
    """The median cost in each way, in turns."""
    found: dict[str, list[Cost]] = {way.name: [] for way in ways}
    for number in range(ROUNDS + 1):
        for way in ways:
            times = TIMES.get(way.name) or TIMES.get(kind) or OTHER_TIMES
            first, many, alone = way.make(AT_ONCE), way.make(AT_ONCE), way.make(1)
            # The sessions of PostgreSQL that this opens are metered from here on.
            asyncio.run(ask(way.port, first, times=AT_ONCE, at_once=AT_ONCE))
            meter = metered(*way.processes)
            asyncio.run(ask(way.port, many, times=times, at_once=AT_ONCE))
            cpu = meter() / times
            answered = asyncio.run(ask(way.port, alone, times=min(times, ALONE), at_once=1))
            # The first round fills caches and prepares statements.
            if number:
                found[way.name].append(Cost(cpu * 1e6, answered * 1e6))
    return {
        name: Cost(
            statistics.median(each.cpu for each in values),
            statistics.median(each.answered for each in values),
        )
        for name, values in found.items()
    }


def _compare(kind: str, ways: list[Way]) -> None:
    found = costs(ways, kind)
    peer = found.get("Go")
    for name, cost in found.items():
        cpu = f"{cost.cpu / peer.cpu:.2f}" if peer else "–"
        answered = f"{cost.answered / peer.answered:.2f}" if peer else "–"
        _say(
            f"{kind:16}{name:10}{cost.cpu:12.0f}{cpu:>8}{cost.answered:14.0f}{answered:>8}"
            f"   {os.getloadavg()[0]:.0f}"
        )


def _always(request: Request) -> Callable[[int], Requests]:
    return lambda _: lambda _: request


def _refreshing(port: int) -> Callable[[int], Requests]:
    """Each connection has a session of its own, and goes on from token to token."""

    def make(connections: int) -> Requests:
        asked = logins()
        sessions = iter([asyncio.run(ask_once(port, asked(None))) for _ in range(connections)])

        def following(before: Answer | None) -> Request:
            token = _data(before or next(sessions))["refresh_token"]
            body = msgspec.json.encode({"refresh_token": token})
            return Request("POST", f"{API}/auth/refresh", _JSON, body)

        return following

    return make


def _account(number: int) -> dict[str, str]:
    return {"username": f"somebody{number}", "password": "corduroy-9-lamp"}


def _data(answer: Answer) -> dict[str, str]:
    return msgspec.json.decode(answer.body)["data"]


def _say(line: str) -> None:
    """Print at once, so that a long run can be followed."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    end_on_signals()
    main()
