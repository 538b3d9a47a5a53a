"""Files of captions: what is taken over, what is refused, and that nothing hostile is left."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.captions.cue_text import plain_text, safe_text
from services.catalog.captions.cues import MAX_BYTES, MAX_CUES, Cue, RefusedCaptions, webvtt
from services.catalog.captions.files import read_captions
from services.catalog.captions.languages import language_tag

VTT = """WEBVTT - made by hand

NOTE two of them

STYLE
::cue { background: url(https://evil.example/) }

first
00:01.000 --> 00:02.500 align:start line:0 region:fred style:x
<v Ada>Hello <i>there</i>

00:00:03.000 --> 01:00:04.000
a & b
"""
SRT = (
    "1\r\n00:00:01,000 --> 00:00:02,5\r\nHello\r\n<font color=red>you</font>\r\n\r\n"
    "2\r\n00:00:03,000 --> 00:00:04,000\r\n{\\an8}Bye\r\n"
)


def test_webvtt_is_taken_over_without_what_only_styles_the_page() -> None:
    assert read_captions(VTT.encode()) == [
        Cue(1000, 2500, "<v Ada>Hello <i>there</i></v>", "align:start line:0"),
        Cue(3000, 3_604_000, "a &amp; b"),
    ]


def test_srt_becomes_the_same() -> None:
    for data in (SRT.encode(), b"\xef\xbb\xbf" + SRT.encode(), SRT.replace("\r\n", "\r").encode()):
        assert read_captions(data) == [Cue(1000, 2500, "Hello\nyou"), Cue(3000, 4000, "Bye")]


def test_what_is_stored_is_read_again_as_the_same() -> None:
    cues = read_captions(VTT.encode())
    stored = webvtt(cues)
    assert stored.startswith(b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n00:00:01.000")
    assert read_captions(stored) == cues


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no captions"),
        (b"WEBVTT", "no captions"),
        (b"WEBVTT\n\nNOTE nothing", "no captions"),
        (b"\xff\xfe1\x00", "UTF-8"),
        (b"just a text\nof two lines", "Line 2"),
        (b"WEBVTT\n\n00:02.000 --> 00:01.000\nx", "Line 3: it ends before"),
        (b"WEBVTT\n\n00:02.000 --> 00:02.000\nx", "ends before"),
        (b"1\n00:61:00,000 --> 00:62:00,000\nx", "Line 2"),
        (b"1\n00:00:01 --> 00:00:02\nx", "Line 2"),
        (b"1\n999:00:01,000 --> 999:00:02,000\nx", "later than any"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n" + b"x" * 2001, "more than 2000"),
        (b"WEBVTT\n\n" + b"x" * MAX_BYTES, "larger than 512"),
        (b"00:00.000 --> 00:01.000\nx\n\n" * (MAX_CUES + 2), "more than 10000"),
        (b"PK\x03\x04\x00\x00", "Line 1"),
    ],
)
def test_what_is_no_captions_is_refused_with_a_reason(data: bytes, words: str) -> None:
    with pytest.raises(RefusedCaptions, match=re.escape(words)):
        read_captions(data)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("<b>a</b>", "<b>a</b>"),
        ("<B>a", "<b>a</b>"),
        ("<i><b>a</i>b</b>", "<i><b>a</b></i>b"),
        ("<c.red.bg_blue>a</c>", "a"),
        ("<b.loud>a</b>", "<b>a</b>"),
        ("<lang en>a</lang>", "a"),
        ("<00:00:01.000>a", "a"),
        ("<v>a</v>", "a"),
        ("<v  Ada & Bob >a", "<v Ada &amp; Bob>a</v>"),
        ("<ruby>漢<rt>kan</rt></ruby>", "<ruby>漢<rt>kan</rt></ruby>"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("<img src=x onerror=alert(1)>a", "a"),
        ("<b onclick=alert(1)>a</b>", "<b>a</b>"),
        ("a < b > c --> d", "a &lt; b &gt; c --&gt; d"),
        ("&lt;script&gt;alert(1)", "&lt;script&gt;alert(1)"),
        ("&amp;lt;b&amp;gt;", "&amp;lt;b&amp;gt;"),
        ("<<b>script>x", "&lt;<b>script&gt;x</b>"),
        ("a\u202eb\x00\x1b\u200fc", "ab\u200fc"),
        ("<b> </b>", ""),
        ("{\\pos(1,2)}a", "a"),
        ("<i>" * 40 + "a", "<i>" * 8 + "a" + "</i>" * 8),
    ],
)
def test_texts_are_made_safe(raw: str, kept: str) -> None:
    assert safe_text(raw) == kept


SAFE = re.compile(r"(?:[^<>&]|&(?:amp|lt|gt);|</?(?:b|i|u|ruby|rt|v)>|<v [^<>\n]*>)*\Z")


@given(st.text("<>/bivc.&;ltg \n-\"'Aé\u202e", max_size=80) | st.text(max_size=80))
def test_whatever_is_written_only_known_tags_are_left(raw: str) -> None:
    kept = safe_text(raw)
    assert SAFE.match(kept)
    assert "-->" not in kept
    assert "\n\n" not in kept
    assert safe_text(kept) == kept
    assert "<" not in plain_text(kept) or "&lt;" in kept


@pytest.mark.parametrize("unit", ["<", "<b>", "</b>", "<v a", "&", "{\\", "<.", "a-->", "<v "])
def test_no_text_is_read_for_ever(unit: str) -> None:
    assert SAFE.match(safe_text(unit * (MAX_BYTES // len(unit))))


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        *(("en", "en"), ("EN-us", "en-US"), ("zh-hant-tw", "zh-Hant-TW"), ("es-419", "es-419")),
        *(("gsw", "gsw"), ("de-1996", "de-1996"), ("sl-ROZAJ", "sl-rozaj")),
        *(("", None), ("english", None), ("e", None), ("en_US", None), ("en-", None)),
        *(("x-private", None), ("en/../..", None), ("ｅｎ", None), ("en-US-US-US-US", None)),
    ],
)
def test_languages(text: str, tag: str | None) -> None:
    assert language_tag(text) == tag
