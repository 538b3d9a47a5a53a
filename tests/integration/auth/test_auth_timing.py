"""How long an answer takes does not say whether a user exists.

Attempts of both kinds alternate, and their ranks are compared (Mann and Whitney 1947): the share
of pairs in which the unknown user took longer. Without a hash verified for nobody it is near 0;
equal distributions give a half, with a standard deviation of 0.05 at these numbers. No duration
is compared with a fixed one, so a busy machine slows both kinds alike.
"""

import time

import msgspec
import pytest

from services.auth.passwords import Passwords
from services.auth.settings import AuthSettings
from tests.support.auth_stage import Stage, error, stage
from tests.support.databases import Database

PAIRS = 60


@pytest.mark.alone
async def test_wrong_passwords_and_unknown_users_take_as_long(
    config: AuthSettings, database: Database
) -> None:
    open_handed = msgspec.structs.replace(config, login_burst=1000)
    async with stage(open_handed, database.admin_url, Passwords()) as auth:
        await auth.register("alice")
        wrong: list[float] = []
        unknown: list[float] = []
        for number in range(PAIRS):
            order = [("alice", wrong), (f"nobody-{number}", unknown)]
            for name, seconds in order if number % 2 else reversed(order):
                seconds.append(await refusal(auth, name))
    slower = sum(u > w for u in unknown for w in wrong) / (len(unknown) * len(wrong))
    assert 0.25 < slower < 0.75


async def refusal(auth: Stage, name: str) -> float:
    """Seconds until a login is refused."""
    started = time.perf_counter()
    answer = await auth.login(name, "not the password")
    seconds = time.perf_counter() - started
    error(answer, 401)
    return seconds
