"""Texts of people that break pages, in every place where an answer of the API holds one."""

from typing import Any

from playwright.sync_api import Page, Route

ARABIC = "ا" * 100
WORDS = (
    "W" * 100,
    "i" * 100,
    "https://example.com/" + "path" * 20,
    "film_final_v2." * 7,
    ARABIC,
    "שלום" * 25,
    "漢" * 100,
    "กำ" * 50,
    "ß" * 100,
    "ﷺ" * 50,
    "𒐫" * 50,
    "👩‍👩‍👧‍👦" * 14,
    "Z" + "\u0336\u0353\u035c" * 33,
    "no\u00a0break\u00a0" * 10,
    "join\u2060er" * 14,
    "\u202eoverridden" * 9,
    "-" * 100,
    "<img src=x onerror=alert(1)>" * 3,
    "{{7*7}}${7*7}" * 7,
    "\u3000" * 99 + "x",
)
TEXTS = {"title", "description", "username", "name", "error_message", "user_agent", "reason"}


def hostile(value: Any, word: str) -> Any:
    """The same answer with ``word`` for each text; a list has one item for each hostile word."""
    if isinstance(value, list):
        first: Any = value[0] if value else None
        if not isinstance(first, dict):
            return value
        return [
            hostile({**first, "id": f"{first.get('id')}-{n}"}, other)
            for n, other in enumerate(WORDS)
        ]
    if not isinstance(value, dict):
        return value
    return {
        key: word if key in TEXTS and isinstance(inner, str) else hostile(inner, word)
        for key, inner in value.items()
    }


def make_hostile(page: Page, mine: str) -> None:
    """From now on, answers of the API hold hostile texts. ``mine``: a name that stays in them."""

    def answer(route: Route) -> None:
        response = route.fetch()
        if "json" not in response.headers.get("content-type", "") or not response.ok:
            route.fulfill(response=response)
            return
        body = response.json() if response.body() else None
        if body is None:
            # An upload says all in its headers.
            route.fulfill(response=response)
            return
        single = isinstance(body.get("data"), dict) and "data" not in body["data"]
        changed = hostile(body, " ".join(WORDS))
        if single and body["data"].get("username") == mine:
            changed["data"]["username"] = mine
        route.fulfill(response=response, json=changed)

    page.route("**/api/v1/**", answer)
