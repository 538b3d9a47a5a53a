"""The whole stack from its entry points."""

import httpx

from tests.support.stack import RunningStack
from tests.support.wait import eventually


async def test_the_gateway_is_ready_when_all_services_are(cinelog: RunningStack) -> None:
    async with httpx.AsyncClient(base_url=cinelog.url, trust_env=False) as client:
        ready = await client.get("/ready")

    assert ready.status_code == 200, cinelog.all_logs()


async def test_a_killed_service_comes_back(cinelog: RunningStack) -> None:
    killed = cinelog.kill("catalog")

    await eventually(lambda: cinelog.is_back("catalog", killed))
    async with httpx.AsyncClient(base_url=cinelog.url, trust_env=False) as client:

        async def ready() -> bool:
            return (await client.get("/ready")).status_code == 200

        await eventually(ready)
