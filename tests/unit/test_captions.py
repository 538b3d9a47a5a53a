"""Files of captions: what is taken over, what is refused, and that nothing hostile is left."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.captions.cue_text import plain_text, safe_text
from shared.captions.cues import MAX_BYTES, MAX_CUES, Cue, RefusedCaptions, webvtt
from shared.captions.files import read_captions
from shared.captions.languages import language_of_code, language_tag

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


ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,not shown
Dialogue: 0,0:00:03.50,0:00:04.00,Default,,0,0,0,,{\\i1}Bye{\\i0}, <all> & {\\pos(1,2)\\b1}you
Dialogue: 0,0:00:01.00,0:00:02.25,Default,Ada,0,0,0,,One\\Ntwo
Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\\p1}m 0 0 l 10 10
"""
TTML = """<?xml version="1.0" encoding="UTF-16"?>
<!-- a comment -->
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
    ttp:frameRate="25" ttp:tickRate="1000">
  <head><metadata><title>no</title></metadata></head>
  <body><div begin="1s">
    <p begin="00:00:00.500" end="00:00:02:00">a &lt;b&gt; &amp;
      <span>c</span><br/>d<metadata>no</metadata></p>
    <p begin="2500t" dur="25f">e</p>
    <p begin="4s" end="5s">  </p>
  </div></body>
</tt>
"""


def test_ass_becomes_text_with_its_plain_styles() -> None:
    assert read_captions(("\ufeff" + ASS.replace("\n", "\r\n")).encode()) == [
        Cue(3500, 4000, "<i>Bye</i>, &lt;all&gt; &amp; <b>you</b>"),
        Cue(1000, 2250, "One\ntwo"),
    ]


def test_ttml_becomes_text_at_its_times() -> None:
    assert read_captions(TTML.encode()) == [
        Cue(1500, 3000, "a &lt;b&gt; &amp; c\nd"),
        Cue(3500, 4500, "e"),
    ]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(10))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"<!DOCTYPE tt [{LAUGHS}]><tt><body><p end='1s'>&l9;</p></body></tt>", "document type"),
        ('<!DOCTYPE tt SYSTEM "file:///etc/passwd"><tt/>', "document type"),
        ("<tt>" + "<div>" * 40, "too many elements"),
        ("<tt>" + "<br/>" * 90_000 + "</tt>", "too many elements"),
        ("<tt><body><p>a</p></body></tt>", "when it ends"),
        ("<tt><body><p begin='x' end='1s'>a</p></body></tt>", "a time such as"),
        ("<svg/>", "not TTML"),
        ("<tt>", "not well-formed"),
        (f"<tt><p end='1s'>{'a' * 20_000}</p></tt>", "2000 characters"),
        ("[Script Info]\n[Events]\nDialogue: 0,soon,0:00:01.00,,,,,,,a", "Line 3"),
        ("[Script Info]\n[Events]\nFormat: Text, Start\n", "Line 3"),
        ("[Script Info]\n[Events]\n", "no captions"),
    ],
)
def test_what_is_no_ttml_or_ass_is_refused(text: str, words: str) -> None:
    with pytest.raises(RefusedCaptions, match=words):
        read_captions(text.encode())


def test_of_what_a_program_has_written_bad_cues_are_left_out() -> None:
    data = b"WEBVTT\n\n00:02.000 --> 00:02.000\nno time\n\n00:03.000 --> 00:04.000\nyes\n"
    with pytest.raises(RefusedCaptions):
        read_captions(data)
    assert read_captions(data, strict=False) == [Cue(3000, 4000, "yes")]


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("pt_BR", "pt-BR"),
        ("por-br", "pt-BR"),
        ("haw", "haw"),
        ("und", None),
        ("", None),
        ('en"><script>', None),
    ],
)
def test_codes_of_files_are_tags(code: str, tag: str | None) -> None:
    assert language_of_code(code) == tag
