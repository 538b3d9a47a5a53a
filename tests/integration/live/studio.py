"""The routes of simulcast targets, and replicas that send to them."""

from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from services.live.http.addresses import Addresses
from services.live.http.app import live_app
from services.live.http.simulcast import simulcast_router
from services.live.ports import Session
from services.live.sessions_repository import SessionsRepository
from services.live.simulcast.by_srt import Srt
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.handling import Targets
from services.live.simulcast.repository import Most, TargetsRepository
from services.live.simulcast.sealing import Sealer
from services.live.simulcast.simulcasts import Simulcasts
from services.live.simulcast.transports import Transports
from shared.contracts import SimulcastStateChanged
from shared.http.identity import Verifier
from tests.integration.live.harness import OBS, Live
from tests.integration.live.simulcast_targets import LOCAL
from tests.support.live_publishers import KEY
from tests.support.wait import eventually


class Studio:
    """The routes of targets, and replicas that send."""

    def __init__(self, live: Live, engine: Any, srt: Srt | None = None) -> None:
        self.live = live
        self.rows = TargetsRepository(engine)
        self.sealer = Sealer("a secret of the installation, random")
        sessions = SessionsRepository(engine)
        events = live.one.events
        self.transports = Transports(Dialer(LOCAL), srt)
        self.targets = Targets(
            self.rows,
            sessions,
            events,
            self.sealer,
            LOCAL,
            most=Most(of_stream=2, of_user=3),
            srt=srt is not None,
        )
        self.app: Any = live_app(
            live.one.streams,
            addresses=Addresses(rtmp_url="rtmp://localhost:1935/live"),
            verifier=Verifier(live.keys, issuer="cinelog", audience="cinelog"),
            checks={},
            registry=CollectorRegistry(),
            others=[simulcast_router(self.targets)],
        )

    def replica(self, sealer: Sealer | None = None) -> Simulcasts:
        return Simulcasts(
            self.rows, self.live.one.events, sealer or self.sealer, self.transports, LOCAL
        )

    async def ask(self, method: str, path: str, user: str = "ann", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.live.keys.token(user)}"} | more.pop("also", {})
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://live") as client:
            return await client.request(
                method, f"/api/v1/live/streams/{path}", headers=headers, **more
            )

    async def add(self, live_id: str, port: int, key: str = KEY) -> str:
        url = f"rtmp://127.0.0.1:{port}/live"
        return await self.add_target(live_id, {"url": url, "stream_key": key, "name": "Other"})

    async def add_target(self, live_id: str, body: dict[str, str]) -> str:
        answer = await self.ask("POST", f"{live_id}/simulcast-targets", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"]

    async def shown(self, live_id: str, target_id: str) -> dict[str, Any]:
        answer = await self.ask("GET", f"{live_id}/simulcast-targets/{target_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def states(self, live_id: str) -> list[str]:
        stream = await self.live.store.read_stream(f"live-{live_id}")
        found = [event.data for event in stream]
        return [event.state for event in found if isinstance(event, SimulcastStateChanged)]


async def until_state(studio: Studio, replica: Simulcasts, live_id: str, one: str, is_: str) -> Any:
    async def reached() -> bool:
        await replica.round()
        return (await studio.shown(live_id, one))["state"] == is_

    await eventually(reached, 60)
    return await studio.shown(live_id, one)


async def connected(live: Live, key: str) -> Session:
    session = await live.one.sessions.connect(key, OBS)
    await live.one.sessions.alive(session, sending=True)
    return session
