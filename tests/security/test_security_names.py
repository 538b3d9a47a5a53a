"""Nobody can take a name that looks like somebody else's, or like the product's own."""

import asyncio
import unicodedata

import pytest

from services.auth.accounts_repository import AccountsRepository
from shared.database.connect import create_engine
from tests.support.auth_stage import PASSWORD, Answer, Stage, data, error
from tests.support.databases import Database


async def register(auth: Stage, name: str, mail: str = "") -> Answer:
    body = {
        "username": name,
        "password": PASSWORD,
        "email": f"{mail or ascii(id(name))}@example.org",
    }
    return await auth.call("POST", "/auth/register", body)


@pytest.mark.parametrize(
    "name",
    [
        *("pаypal", "PaypaI", "paypa1", "ＰＡＹＰＡＬ", "pay\u0440al"),
        *("paypal.", "_paypal", "ᴘᴀʏᴘᴀʟ", "páypal", "paypał"),
    ],
)
async def test_names_that_look_like_an_existing_one_are_taken(auth: Stage, name: str) -> None:
    await auth.register("paypal")
    assert error(await register(auth, name), 409)["type"] == "username_taken"


@pytest.mark.parametrize(
    "name", ["Admin", "аdmin", "supp0rt", "CINEL0G", "r00t", "ADMİN", "а́dmin", "Rööt"]
)
async def test_names_that_look_like_the_products_are_refused(auth: Stage, name: str) -> None:
    refused = error(await register(auth, name), 400)
    assert refused["type"] == "invalid_username"
    assert [detail["field"] for detail in refused["details"]] == ["username"]


async def test_of_names_that_look_alike_one_wins_a_race(auth: Stage) -> None:
    names = ["tom-tom", "tоm-tom", "tom-tоm", "tоm-tоm"]
    answers = await asyncio.gather(*(register(auth, name, f"m{n}") for n, name in enumerate(names)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_a_deleted_account_gives_its_look_back(auth: Stage) -> None:
    made = await auth.register("paypal")
    data(await auth.call("DELETE", f"/users/{made['user']['id']}", token=made["access_token"]))
    data(await register(auth, "paypa1"), 201)


async def test_accounts_of_earlier_rules_keep_their_names(auth: Stage, database: Database) -> None:
    """They log in however the name is composed, and nobody can imitate them."""
    await auth.register("placeholder")
    old = "Zo\u00eb ★ admin"
    key = "zo\u00eb ★ admin"
    key = unicodedata.normalize("NFKD", key.casefold())
    await auth.rows("update auth.accounts set username = $1, username_key = $2", old, key)
    await auth.rows("delete from auth.username_skeletons")
    for typed in (old, unicodedata.normalize("NFD", old), old.upper()):
        assert data(await auth.login(typed))["user"] == old

    engine = create_engine(database.url("auth"), size=1)
    try:
        repository = AccountsRepository(engine)
        assert await repository.index_looks(10) == 1
        assert await repository.index_looks(10) == 0
        # Skeletons that were made by earlier rules are made anew; they stay, too.
        await auth.rows("update auth.username_skeletons set rules = 1")
        assert await repository.index_looks(10) == 1
        assert await repository.index_looks(10) == 0
    finally:
        await engine.dispose()
    assert await auth.rows("select 1 from auth.username_skeletons")
