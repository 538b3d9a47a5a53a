"""The DASH manifest lists the same bytes as the playlists."""

from xml.etree import ElementTree as Xml

from services.transcoder.manifests.dash import manifest
from services.transcoder.manifests.hls import Rates, published
from shared.contracts import AudioTrack
from tests.unit.transcoder.facts_about import after, audio_encoded, chunk_encoded, plan

PLAN = plan(seconds=10)
STATE = after(
    PLAN,
    chunk_encoded(PLAN, 0, "240p"),
    chunk_encoded(PLAN, 0, "360p"),
    chunk_encoded(PLAN, 1, "360p", "240p"),
    audio_encoded(0, 1),
    audio_encoded(1, 2),
)
LISTED = [
    published(rendition, Rates(1, 1), codecs, "mp4a.40.2")
    for rendition, codecs in zip(PLAN.renditions, ("avc1.64001E", "avc1.640015"), strict=True)
]
MPD = {"": "urn:mpeg:dash:schema:mpd:2011"}


def test_every_segment_is_listed_with_its_bytes_and_time() -> None:
    root = Xml.fromstring(manifest(STATE, PLAN, LISTED, PLAN.audio))
    assert root.get("mediaPresentationDuration") == "PT10.000S"
    representations = root.findall(".//Representation", MPD)
    assert [r.get("id") for r in representations] == ["360p", "240p", "audio-0"]
    assert [r.get("codecs") for r in representations] == [
        "avc1.64001E",
        "avc1.640015",
        "mp4a.40.2",
    ]
    first = representations[0]
    assert first.get("bandwidth") == "600000"
    urls = [(u.get("media"), u.get("mediaRange")) for u in first.findall(".//SegmentURL", MPD)]
    assert urls == [
        ("a1/360p/00000.mp4", "0-299999"),
        ("a1/360p/00001.mp4", "0-299999"),
        ("a1/360p/00001.mp4", "300000-449999"),
    ]
    times = [(s.get("t"), s.get("d")) for s in first.findall(".//S", MPD)]
    assert times == [("0", "100000"), ("100000", "100000"), ("200000", "50000")]
    assert len(representations[2].findall(".//SegmentURL", MPD)) == 3


def test_languages_are_named_and_sound_alone_has_no_pictures() -> None:
    only = plan(names=())
    state = after(only, audio_encoded(0, 1))
    spoken = [AudioTrack(index=0, codec="aac", language="pt-BR")]
    root = Xml.fromstring(manifest(state, only, [], spoken))
    (group,) = root.findall(".//AdaptationSet", MPD)
    assert group.get("lang") == "pt-BR"
    assert group.get("contentType") == "audio"
