"""docs/media.md has the tables of the code, and every reason for which a file is refused."""

import re
from pathlib import Path

from services.transcoder.planning.media_errors import CERTAIN
from services.transcoder.planning.reasons import REASONS
from tools.media_page import PAGE, page

SOURCES = Path(__file__).resolve().parents[3] / "services" / "transcoder"
# A second attempt follows, which does not end with it; or they are words for another code.
NOT_LAST = CERTAIN | {"media.not_fit", "media.no_index"}


def test_the_page_is_what_the_code_says() -> None:
    current = PAGE.read_text()
    assert page(current) == current


def test_every_reason_is_on_the_page() -> None:
    text = "".join(path.read_text() for path in SOURCES.rglob("*.py"))
    codes = {code for code in REASONS if code.startswith("media.")}
    codes |= set(re.findall(r"code=\"(\w+_left_out)\"", text)) | {"ends_early"}
    assert len(codes) > 10
    assert sorted(code for code in codes - NOT_LAST if f"`{code}`" not in PAGE.read_text()) == []
