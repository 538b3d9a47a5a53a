"""An audit does not take work that is under way for a broken promise."""

from services.operator.audit_commands import lasting


async def test_what_comes_right_meanwhile_is_not_found() -> None:
    looks = [["publish a", "remove b"], ["remove b"], []]

    async def look() -> list[str]:
        return looks.pop(0)

    assert await lasting(look, settle=0) == []


async def test_what_every_look_finds_is_found() -> None:
    count = 0

    async def look() -> list[str]:
        nonlocal count
        count += 1
        return ["remove b", f"publish {count}"]

    assert await lasting(look, settle=0) == ["remove b"]
    assert count > 2
