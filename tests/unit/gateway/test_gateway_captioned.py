"""Captions in playlists and manifests: a line for each language, and nothing else changes."""

from xml.etree import ElementTree as Xml

import pytest

from services.gateway.media.captioned import (
    Captions,
    captioned,
    may_name_captions,
    media_playlist,
)
from shared.contracts import CaptionKind, CaptionTrack, StoredObject

VIDEO = "0190b7a8-1111-7000-8000-000000000001"
MASTER = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="en",URI="a1/audio-0.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="audio"
a1/720p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2,AUDIO="audio"
a1/360p.m3u8
"""


def track(language: str, label: str = "", kind: CaptionKind = "subtitles") -> CaptionTrack:
    stored = StoredObject(key=f"{VIDEO}/captions/{language}-1.vtt", size=1000, sha256="00")
    return CaptionTrack(language=language, kind=kind, label=label or language, object=stored)


CAPTIONS = Captions([track("en", "English", "captions"), track("pt-BR", 'P"<&')], 61_500)


def test_each_rendition_has_all_languages() -> None:
    lines = captioned("master.m3u8", MASTER, CAPTIONS).split("\n")
    added = [line for line in lines if line not in MASTER.split("\n")]
    english, portuguese, high, low = added
    assert 'NAME="English",LANGUAGE="en",DEFAULT=NO' in english
    assert "public.accessibility.transcribes-spoken-dialog" in english
    assert english.endswith('URI="captions/en.m3u8"')
    assert 'NAME="P\'<&"' in portuguese
    assert "CHARACTERISTICS" not in portuguese
    assert high.endswith(',AUDIO="audio",SUBTITLES="subs"')
    assert low.endswith(',SUBTITLES="subs"')
    assert lines.index(portuguese) < lines.index(high)


def test_names_differ_within_the_group() -> None:
    twice = Captions([track("en", "English"), track("en-GB", "English")], 1000)
    found = captioned("master.m3u8", MASTER, twice)
    assert 'NAME="English"' in found
    assert 'NAME="English (en-GB)"' in found


def test_the_playlist_of_a_language_is_its_file() -> None:
    found = media_playlist("captions/pt-BR.m3u8", CAPTIONS)
    assert found is not None
    assert "#EXT-X-TARGETDURATION:62\n" in found
    assert "#EXTINF:61.500,\npt-BR-1.vtt\n#EXT-X-ENDLIST" in found
    assert media_playlist("captions/de.m3u8", CAPTIONS) is None
    assert media_playlist("captions/en-1.vtt", CAPTIONS) is None


def test_a_manifest_has_them_as_text() -> None:
    manifest = '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period id="0"><A /></Period></MPD>'
    found = Xml.fromstring(captioned("manifest.mpd", manifest, CAPTIONS))
    space = "{urn:mpeg:dash:schema:mpd:2011}"
    sets = found.findall(f"{space}Period/{space}AdaptationSet")
    assert [each.get("lang") for each in sets] == ["en", "pt-BR"]
    assert [each.findtext(f"{space}Label") for each in sets] == ["English", 'P"<&']
    assert sets[0].findtext(f"{space}Representation/{space}BaseURL") == "captions/en-1.vtt"
    assert sets[0].find(f"{space}Role[@value='caption']") is not None
    assert captioned("manifest.mpd", "<MPD />", CAPTIONS) == "<MPD />"


@pytest.mark.parametrize(
    ("name", "may"),
    [
        *(("master.m3u8", True), ("manifest.mpd", True), ("captions/en.m3u8", True)),
        *(("a1/720p.m3u8", False), ("captions/en-1.vtt", False), ("live/master.m3u8", False)),
    ],
)
def test_which_files_may_be_other_ones(name: str, may: bool) -> None:
    assert may_name_captions(name) is may
