"""Publishers by SRT who have a stream key, or only an address, and mean harm."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.live.srt import listener as srt_listener
from services.live.srt import publishers as srt_publishers
from services.live.srt.library import Call, Library, _socket_address
from services.live.srt.listener import Connection, Listener
from services.live.srt.listening import Admitted
from services.live.srt.logins import Claim
from services.live.srt.publishers import PER_ADDRESS, REFUSALS, SrtPublishers
from shared.token_bucket import MICROS, Bucket
from tests.integration.live.srt_targets import program
from tests.support.live_publishers import KEY, Door
from tests.support.srt_wire import (
    ACK,
    ACK_OF_ACK,
    DROP_REQUEST,
    KEEPALIVE,
    KEY_MATERIAL,
    LOSS_REPORT,
    USER_DEFINED,
    NotAccepted,
    WireCaller,
    key_material,
)
from tests.support.wait import eventually

PASSPHRASE = "ten letters or more"
PAYLOAD = bytes(1316)
TOO_MANY = 1429
# enum SRT_SOCKOPT
KEY_REFRESH_RATE, KEY_PREANNOUNCE = 51, 52


class Received:
    """What each publisher has sent, and why it has ended."""

    def __init__(self) -> None:
        self.bytes: dict[str, int] = {}
        self.ended: dict[str, str | None] = {}

    async def __call__(self, connection: Connection) -> None:
        name = connection.stream_id
        self.bytes[name] = 0
        while data := await connection.read():
            self.bytes[name] += len(data)
        self.ended[name] = connection.failure


@asynccontextmanager
async def receiving(
    library: Library, passphrase: str | None = None
) -> AsyncIterator[tuple[Received, int]]:
    received = Received()
    listener = Listener(
        library, admit=lambda *_: Admitted(passphrase), serve=received, latency_ms=120
    )
    try:
        yield received, listener.open("127.0.0.1", 0)
    finally:
        await listener.close()


async def assert_others_go_on(received: Received, port: int, passphrase: str | None) -> None:
    """Somebody else connects, and all that is sent arrives."""

    def publish() -> WireCaller:
        other = WireCaller(port, passphrase=passphrase).connect("other")
        for number in range(20):
            other.send(other.data(number, PAYLOAD, message=number + 1))
        return other

    other = await asyncio.to_thread(publish)
    if passphrase is None:
        await eventually(lambda: received.bytes.get("other") == 20 * len(PAYLOAD), 60)
    other.socket.close()


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


STORMS: dict[str, Callable[[WireCaller, int], bytes]] = {
    "the same packet again": lambda c, _: c.data(0, PAYLOAD),
    "packets without a byte": lambda c, n: c.data(n, b"", message=n + 1),
    "packets of one byte": lambda c, n: c.data(n, b"x", message=n + 1),
    "jumps": lambda c, n: c.data(n * 5000, PAYLOAD, message=n + 1),
    "jumps around the numbers": lambda c, n: c.data(n * 0x10000001, PAYLOAD, message=n + 1),
    "messages out of order": lambda c, n: c.data(n, PAYLOAD, message=n * 7919),
    "reports of losses": lambda c, _: c.control(LOSS_REPORT, body=number(c.number)),
    "a report of all losses": lambda c, _: c.control(
        LOSS_REPORT, body=number(0x80000000) + number(0x7FFFFFFF)
    ),
    "acknowledgements": lambda c, n: c.control(ACK, info=n, body=number(c.number) + bytes(24)),
    "of what was never sent": lambda c, n: c.control(
        ACK, info=n, body=number(0x7FFFFFF0) + bytes(24)
    ),
    "of acknowledgements": lambda c, n: c.control(ACK_OF_ACK, info=n),
    "keepalives": lambda c, _: c.control(KEEPALIVE),
    "an unknown type": lambda c, n: c.control(0x30 + n % 100, body=bytes(100)),
    "ranges that are left out": lambda c, n: c.control(
        DROP_REQUEST, info=n, body=number(c.number) + number(c.number + 200)
    ),
    "its own handshake": lambda c, _: c.handshake(),
    "a shutdown": lambda c, _: c.control(5),
}


@pytest.mark.parametrize("storm", STORMS, ids=str)
async def test_others_go_on_while_a_publisher_sends(library: Library, storm: str) -> None:
    async with receiving(library) as (received, port):

        def attack() -> WireCaller:
            caller = WireCaller(port).connect("attack")
            caller.send(caller.data(0, PAYLOAD))
            for count in range(300):
                caller.send(STORMS[storm](caller, count))
            return caller

        with await asyncio.to_thread(attack):
            await assert_others_go_on(received, port, None)


async def test_requests_to_leave_out_a_thousand_million_packets_stop_nobody(
    library: Library,
) -> None:
    """Each of them is one packet, and costs libsrt many seconds."""
    async with receiving(library) as (received, port):

        def attack() -> list[WireCaller]:
            callers = [WireCaller(port).connect(f"attack {at}") for at in range(8)]
            for caller in callers:
                caller.send(caller.data(0, PAYLOAD))
                left_out = number(caller.number + 5) + number(caller.number + 1_000_000_000)
                caller.send(caller.control(DROP_REQUEST, info=1, body=left_out))
            return callers

        callers = await asyncio.to_thread(attack)
        await assert_others_go_on(received, port, None)
        for caller in callers:
            caller.socket.close()


async def test_keys_that_nobody_needs_reach_nobody_and_end_the_publisher(library: Library) -> None:
    keys = [key_material(PASSPHRASE) for _ in range(20)]
    async with receiving(library, PASSPHRASE) as (received, port):

        def attack() -> WireCaller:
            caller = WireCaller(port, passphrase=PASSPHRASE).connect("attack")
            for count in range(600):
                caller.send(
                    caller.control(USER_DEFINED, subtype=KEY_MATERIAL, body=keys[count % 20])
                )
            return caller

        caller = await asyncio.to_thread(attack)
        await assert_others_go_on(received, port, PASSPHRASE)
        await eventually(lambda: "attack" in received.ended, 60)
        assert received.ended["attack"] == "too many changes of the key"
        caller.socket.settimeout(0.1)
        assert answers(caller) == 0
        caller.socket.close()


async def test_who_has_sent_enough_changes_its_key(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libsrt itself, with a key for so many packets instead of millions."""
    packets = 1000
    monkeypatch.setattr(srt_listener, "KEY_CHANGES_AFTER", packets // 2)
    monkeypatch.setattr(srt_listener, "_KEYS_SECONDS", 0.0)
    async with receiving(library, PASSPHRASE) as (received, port):
        handle: int = library.raw.srt_create_socket()
        library.opened(handle)
        library.set_number(handle, KEY_REFRESH_RATE, packets)
        library.set_number(handle, KEY_PREANNOUNCE, packets // 4)
        call = Call("x", PASSPHRASE, 120)
        await asyncio.to_thread(library._call, handle, _socket_address("127.0.0.1", port), call)

        def grown(least: int) -> int:
            """Some packets more, and whether so many have arrived altogether."""
            for _ in range(50):
                library.send(handle, PAYLOAD)
            return received.bytes.get("x", 0) >= least * len(PAYLOAD)

        await eventually(lambda: grown(3 * packets), 120)
        library.close(handle)


def answers(caller: WireCaller) -> int:
    """How many packets of keys have come back."""
    found = 0
    try:
        while packet := caller.socket.recv(2000):
            found += packet[:2] == b"\xff\xff"
    except (TimeoutError, ConnectionRefusedError):
        return found
    return found


async def test_who_sends_too_many_packets_is_ended(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(srt_listener, "MESSAGES", Bucket(MICROS // 10, 40))
    async with receiving(library) as (received, port):

        def attack() -> WireCaller:
            caller = WireCaller(port).connect("attack")
            for count in range(2000):
                caller.send(caller.data(count, b"x", message=count + 1))
            return caller

        with await asyncio.to_thread(attack):
            await eventually(lambda: "attack" in received.ended, 60)
        assert received.ended["attack"] == "too many packets"
        assert received.bytes["attack"] < 1000


async def test_keepalives_alone_hold_no_place(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(srt_listener, "_IDLE_SECONDS", 1.0)
    async with receiving(library) as (received, port):
        with await asyncio.to_thread(WireCaller(port).connect, "attack") as caller:

            def ended() -> bool:
                caller.send(caller.control(KEEPALIVE))
                return "attack" in received.ended

            await eventually(ended, 60)


async def test_what_is_no_picture_holds_no_place(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(srt_publishers, "_NOTHING_SECONDS", 1.0)
    door = Door()
    publishers = SrtPublishers(door, program(tmp_path), lambda name: Claim(name, None))
    listener = Listener(library, admit=publishers.admit, serve=publishers.serve, latency_ms=120)
    port = listener.open("127.0.0.1", 0)
    try:
        with await asyncio.to_thread(WireCaller(port).connect, KEY) as caller:
            sent = 0

            def ended() -> bool:
                nonlocal sent
                caller.send(caller.data(sent, b"\x47\x1f\xff" + bytes(185), message=sent + 1))
                sent += 1
                return bool(door.sinks and door.sinks[0].closed)

            await eventually(ended, 60)
        assert door.sinks[0].closed == ("nothing came that can be played", False)
    finally:
        await listener.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_who_insists_is_not_even_answered(
    library: Library, tmp_path: Path, host: str
) -> None:
    door, now = Door(), 1000.0
    publishers = SrtPublishers(
        door, program(tmp_path), lambda name: Claim(name, None), clock=lambda: now
    )
    listener = Listener(library, admit=publishers.admit, serve=publishers.serve, latency_ms=120)
    port = listener.open(host, 0)

    def refused(callers: int) -> int:
        found = 0
        for _ in range(callers):
            with WireCaller(port, host) as caller:
                try:
                    caller.connect("no-such-key")
                except NotAccepted as error:
                    found += error.code == TOO_MANY
        return found

    try:
        with await asyncio.to_thread(WireCaller(port, host).connect, KEY) as good:
            most = PER_ADDRESS.burst + REFUSALS.burst
            assert await asyncio.to_thread(refused, most) >= REFUSALS.burst
            with WireCaller(port, host) as caller:
                caller.socket.settimeout(1.0)
                with pytest.raises(TimeoutError):
                    await asyncio.to_thread(caller.connect, "no-such-key")
            # Who is connected already goes on, from the same address.
            await eventually(lambda: door.sinks, 60)
            good.socket.settimeout(30.0)
            good.send(good.data(0, PAYLOAD))
            good.send(good.control(KEEPALIVE))
            assert await asyncio.to_thread(good.socket.recv, 2000)
    finally:
        await listener.close()
