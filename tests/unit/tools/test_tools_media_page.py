"""docs/media.md has the tables of the code."""

from tools.media_page import PAGE, page


def test_the_page_is_what_the_code_says() -> None:
    current = PAGE.read_text()
    assert page(current) == current
