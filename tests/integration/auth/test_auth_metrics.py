"""What the operators see of logins: /metrics."""

import asyncio
import re
from datetime import timedelta

from services.auth.domain import GRACE
from tests.support.auth_stage import Stage, data, error


async def figures(auth: Stage) -> dict[str, float]:
    """Auth's own counters, by name and result."""
    text = (await auth.http.get("/metrics")).text
    found = re.findall(r'^(auth_\w+_total)(?:\{result="(\w+)"\})? ([\d.]+)$', text, re.MULTILINE)
    return {f"{name}:{result}" if result else name: float(value) for name, result, value in found}


async def test_logins_refreshes_and_refusals_are_counted(auth: Stage) -> None:
    nothing = await figures(auth)
    assert set(nothing.values()) == {0.0}
    stolen = (await auth.register("alice"))["refresh_token"]
    data(await auth.login())
    data(await auth.refresh(stolen))
    error(await auth.refresh("no-such-token"), 401)
    for _ in range(auth.config.login_burst):
        error(await auth.login(password="wrong", client="198.51.100.7"), 401)
    error(await auth.login(password="wrong", client="198.51.100.7"), 429)
    auth.clock.ahead = GRACE + timedelta(seconds=1)
    answers = await asyncio.gather(*(auth.refresh(stolen) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [401, 401]
    seen = await figures(auth)
    assert seen.pop("auth_refreshes_total:reused") >= 1
    assert seen.pop("auth_refreshes_total:refused") >= 1
    assert seen == {
        "auth_logins_total:ok": 1.0,
        "auth_logins_total:wrong": auth.config.login_burst,
        "auth_refreshes_total:ok": 1.0,
        "auth_throttled_total": 1.0,
    }
