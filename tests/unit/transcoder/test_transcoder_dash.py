"""The DASH manifest lists the same bytes as the playlists."""

from xml.etree import ElementTree as Xml

import msgspec
import pytest

from services.transcoder.manifests.dash import manifest
from services.transcoder.manifests.hls import Rates, published
from shared.contracts import AudioTrack, VideoRange
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


def test_the_manifest_is_an_indented_document_with_its_encoding() -> None:
    text = manifest(STATE, PLAN, LISTED, PLAN.audio)
    assert text.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n<MPD ")
    assert b"\n  <Period " in text


def test_players_begin_with_a_segment_and_its_init_segment() -> None:
    root = Xml.fromstring(manifest(STATE, PLAN, LISTED, PLAN.audio))
    assert root.get("minBufferTime") == "PT4.000S"
    inits = [(i.get("sourceURL"), i.get("range")) for i in root.iterfind(".//Initialization", MPD)]
    assert inits == [
        ("a1/360p/init.mp4", "0-799"),
        ("a1/240p/init.mp4", "0-799"),
        ("a1/audio-0/init.mp4", "0-799"),
    ]


def test_the_bit_rate_is_the_renditions_own() -> None:
    short = plan(seconds=4)
    state = after(short, chunk_encoded(short, 0, "360p", "240p"), audio_encoded(0, 1))
    root = Xml.fromstring(manifest(state, short, LISTED, short.audio))
    shown = root.findall(".//Representation", MPD)
    assert [each.get("bandwidth") for each in shown[:2]] == ["600000", "200000"]


def test_players_switch_only_between_renditions_of_one_codec() -> None:
    high, low = LISTED
    hevc = msgspec.structs.replace(low, codecs="hvc1.1.6.L63.90,mp4a.40.2")
    root = Xml.fromstring(manifest(STATE, PLAN, [high, hevc], ()))
    sets = root.findall(".//AdaptationSet", MPD)
    ids = [[each.get("id") for each in group.iterfind("Representation", MPD)] for group in sets]
    assert ids == [["360p"], ["240p"]]


@pytest.mark.parametrize(("kept", "curve"), [("PQ", "16"), ("HLG", "18")])
def test_players_without_hdr_leave_its_sets_out(kept: VideoRange, curve: str) -> None:
    sdr, low = (msgspec.structs.replace(each, codecs="hvc1.1.6.L63.90") for each in LISTED)
    hdr = msgspec.structs.replace(low, codecs="hvc1.2.4.L63.90", video_range=kept)
    root = Xml.fromstring(manifest(STATE, PLAN, [sdr, hdr], ()))
    plain, bright = root.findall(".//AdaptationSet", MPD)
    assert plain.find("EssentialProperty", MPD) is None
    told = {e.get("schemeIdUri"): e.get("value") for e in bright.iterfind("EssentialProperty", MPD)}
    assert told == {
        "urn:mpeg:mpegB:cicp:ColourPrimaries": "9",
        "urn:mpeg:mpegB:cicp:MatrixCoefficients": "9",
        "urn:mpeg:mpegB:cicp:TransferCharacteristics": curve,
    }
    # The order that the schema of the manifest demands.
    kinds = [each.tag.rpartition("}")[2] for each in bright]
    assert kinds == [*(["EssentialProperty"] * 3), "Representation"]


def test_the_first_sound_track_is_the_main_one() -> None:
    first = audio_encoded(0, 1)
    second = msgspec.structs.replace(
        first, tracks=(msgspec.structs.replace(first.tracks[0], name="audio-1"),)
    )
    two = plan(names=(), audio=2)
    root = Xml.fromstring(manifest(after(two, first, second), two, [], two.audio))
    roles = [
        [role.get("value") for role in group.iterfind("Role", MPD)]
        for group in root.iterfind(".//AdaptationSet", MPD)
    ]
    assert roles == [["main"], []]


def test_languages_are_named_and_sound_alone_has_no_pictures() -> None:
    only = plan(names=())
    state = after(only, audio_encoded(0, 1))
    spoken = [AudioTrack(index=0, codec="aac", language="pt-BR")]
    root = Xml.fromstring(manifest(state, only, [], spoken))
    (group,) = root.findall(".//AdaptationSet", MPD)
    assert group.get("lang") == "pt-BR"
    assert group.get("contentType") == "audio"
