"""Playlists, word for word."""

from fractions import Fraction

import msgspec
import pytest

from services.transcoder.manifests.hls import (
    MediaSegment,
    Rates,
    audio_segments,
    ceiling,
    measured,
    media_playlist,
    multivariant,
    published,
    rendition_segments,
)
from services.transcoder.manifests.hls_iframes import iframe_playlist, iframe_stream_inf
from services.transcoder.planning.ladder import encoding
from shared.contracts import AudioTrack
from tests.unit.transcoder.facts_about import after, audio_encoded, chunk_encoded, plan

PLAN = plan(seconds=10)
LOW = chunk_encoded(PLAN, 0, "240p")
REST = chunk_encoded(PLAN, 0, "360p")
NEXT = chunk_encoded(PLAN, 1, "360p", "240p")


def test_a_growing_playlist_shows_the_lowest_rendition_first() -> None:
    segments = rendition_segments(after(PLAN, LOW, NEXT), "360p", early=True)
    assert media_playlist(segments, ended=False) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-TARGETDURATION:4\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:EVENT\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-START:TIME-OFFSET=0\n"
        '#EXT-X-MAP:URI="240p/init.mp4",BYTERANGE="800@0"\n'
        "#EXTINF:4.000000,\n"
        "#EXT-X-BYTERANGE:100000@0\n"
        "240p/00000.mp4\n"
        '#EXT-X-MAP:URI="360p/init.mp4",BYTERANGE="800@0"\n'
        "#EXTINF:4.000000,\n"
        "#EXT-X-BYTERANGE:300000@0\n"
        "360p/00001.mp4\n"
        "#EXTINF:2.000000,\n"
        "#EXT-X-BYTERANGE:150000@300000\n"
        "360p/00001.mp4\n"
    )


def test_a_growing_playlist_only_ever_gains_lines() -> None:
    steps = [after(PLAN, LOW), after(PLAN, LOW, REST), after(PLAN, LOW, REST, NEXT)]
    texts = [media_playlist(rendition_segments(s, "360p", early=True), ended=False) for s in steps]
    assert texts[1] == texts[0]
    assert texts[2].startswith(texts[1])


def segment(seconds: str) -> MediaSegment:
    return MediaSegment(Fraction(seconds), "0.mp4", offset=0, size=1000, init="init.mp4")


@pytest.mark.parametrize(
    ("longest", "target"), [("0.2", 1), ("4.4", 4), ("4.5", 5), ("4.6", 5), ("5", 5)]
)
def test_no_segment_is_longer_than_the_target_when_rounded(longest: str, target: int) -> None:
    text = media_playlist([segment(longest), segment("0.1")], ended=True)
    assert f"#EXT-X-TARGETDURATION:{target}\n" in text


def test_a_playlist_that_was_followed_while_it_grew_stays_one_after_its_end() -> None:
    growing = media_playlist([segment("4")], ended=False)
    ended = media_playlist([segment("4")], ended=True, growing=True)
    assert "#EXT-X-PLAYLIST-TYPE:EVENT\n" in ended
    assert ended == f"{growing}#EXT-X-ENDLIST\n"


def test_the_final_playlist_is_the_renditions_own() -> None:
    segments = rendition_segments(after(PLAN, LOW, REST, NEXT), "360p", early=False)
    text = media_playlist(segments, ended=True)
    assert "240p" not in text
    assert "#EXT-X-PLAYLIST-TYPE:VOD\n" in text
    assert text.endswith("360p/00001.mp4\n#EXT-X-ENDLIST\n")
    assert text.count("#EXT-X-MAP") == 1


def test_a_multivariant_playlist() -> None:
    audio = (
        AudioTrack(index=0, codec="aac", language="en"),
        AudioTrack(index=1, codec="aac", channels=1, language="en"),
        AudioTrack(index=2, codec="aac"),
    )
    listed = [
        published(PLAN.renditions[0], Rates(900_000, 700_000), "avc1.64001E", "mp4a.40.2"),
        published(PLAN.renditions[1], Rates(400_000, 300_000), "avc1.640015", "mp4a.40.2"),
    ]
    assert multivariant(listed, audio, "a1") == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="en",LANGUAGE="en",DEFAULT=YES,'
        'AUTOSELECT=YES,CHANNELS="2",URI="a1/audio-0.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="en 2",LANGUAGE="en",DEFAULT=NO,'
        'AUTOSELECT=YES,CHANNELS="1",URI="a1/audio-1.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="Track 3",DEFAULT=NO,'
        'AUTOSELECT=YES,CHANNELS="2",URI="a1/audio-2.m3u8"\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=700000,"
        'CODECS="avc1.64001E,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=25.000,'
        'CLOSED-CAPTIONS=NONE,AUDIO="audio"\n'
        "a1/360p.m3u8\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=400000,AVERAGE-BANDWIDTH=300000,"
        'CODECS="avc1.640015,mp4a.40.2",RESOLUTION=426x240,FRAME-RATE=25.000,'
        'CLOSED-CAPTIONS=NONE,AUDIO="audio"\n'
        "a1/240p.m3u8\n"
    )


def test_where_some_are_hdr_players_know_of_each_whether_it_is() -> None:
    low, high = PLAN.renditions[1], PLAN.renditions[0]
    bright = msgspec.structs.replace(high, name="360p-hevc-hdr", video_range="HLG")
    listed = [
        published(low, Rates(2, 1), "avc1.640015", None),
        published(bright, Rates(4, 3), "hvc1.2.4.L63.B0", None),
    ]
    lines = multivariant(listed, (), "a1").splitlines()
    assert [line.partition("VIDEO-RANGE=")[2][:3] for line in lines if "STREAM-INF" in line] == [
        "SDR",
        "HLG",
    ]
    assert "VIDEO-RANGE" not in multivariant(listed[:1], (), "a1")
    segments = rendition_segments(after(PLAN, LOW, REST, NEXT), "360p", early=False)
    for entry, said in zip(listed, (False, True), strict=True):
        line = iframe_stream_inf(entry, segments, "a1")
        assert line is not None
        assert ("VIDEO-RANGE=HLG" in line) == said


def test_sound_alone() -> None:
    sound = published(PLAN.renditions[0], Rates(130_000, 128_000), "", "mp4a.40.2")
    alone = type(sound)(
        name="audio-0",
        width=0,
        height=0,
        bandwidth=130_000,
        average_bandwidth=128_000,
        codecs="mp4a.40.2",
        frame_rate="0/1",
    )
    assert multivariant([alone], (AudioTrack(index=0, codec="mp3"),), "a1", alone) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=130000,AVERAGE-BANDWIDTH=128000,CODECS="mp4a.40.2"\n'
        "a1/audio-0.m3u8\n"
    )


def test_a_playlist_without_segments_has_the_smallest_target() -> None:
    assert "#EXT-X-TARGETDURATION:1\n" in media_playlist([], ended=False)


def test_a_last_scrap_is_no_peak() -> None:
    def rates(*segments: tuple[int, str]) -> Rates:
        return measured(
            [MediaSegment(Fraction(s), "0.mp4", 0, size, "init.mp4") for size, s in segments]
        )

    # Bytes and seconds: a segment of half the longest counts, a shorter one does not.
    assert rates((4000, "4"), (4000, "2")) == Rates(16_000, round(8 * 8000 / 6))
    assert rates((4000, "4"), (4000, "1.9")) == Rates(round(8 * 8000 / 5.9), round(8 * 8000 / 5.9))
    assert rates((8000, "4"), (1000, "4"), (3000, "1.5")).peak == 16_000


def test_rates_of_picture_and_sound_add_up() -> None:
    assert Rates(5, 3) + Rates(20, 10) == Rates(25, 13)


def test_a_rendition_in_the_making_may_reach_its_cap_and_a_part_of_its_buffer() -> None:
    rendition = PLAN.renditions[0]
    settings = encoding(rendition)
    assert settings.buffer == settings.max_rate * 3 // 2
    assert ceiling(rendition) == Rates(settings.max_rate * 11 // 8, settings.max_rate)


def test_sound_is_mixed_down_to_two_channels() -> None:
    surround = (AudioTrack(index=0, codec="ac3", channels=6),)
    listed = [published(PLAN.renditions[0], Rates(2, 1), "avc1.64001E", "mp4a.40.2")]
    assert 'CHANNELS="2"' in multivariant(listed, surround, "a1")


def test_no_pictures_for_scrubbing_where_their_sizes_are_unknown() -> None:
    first, *rest = rendition_segments(after(PLAN, LOW, REST, NEXT), "360p", early=False)
    assert iframe_playlist([first, *rest])
    assert iframe_playlist([first, msgspec.structs.replace(rest[0], key_bytes=0)]) is None
    track = REST.tracks[0]
    old = msgspec.structs.replace(track.segments[0], key_bytes=msgspec.UNSET)
    older = msgspec.structs.replace(track, segments=(old,))
    state = after(PLAN, LOW, msgspec.structs.replace(REST, tracks=(older,)), NEXT)
    segments = rendition_segments(state, "360p", early=False)
    assert iframe_playlist(segments) is None
    listed = published(PLAN.renditions[0], Rates(2, 1), "avc1.64001E", "mp4a.40.2")
    assert iframe_stream_inf(listed, segments, "a1") is None


def test_rates_are_measured() -> None:
    segments = rendition_segments(after(PLAN, LOW, REST, NEXT), "240p", early=False)
    assert measured(segments) == Rates(200_000, 200_000)
    sound = after(PLAN, audio_encoded(0, 2)).audio["audio-0"]
    rates = measured(audio_segments(PLAN, sound))
    assert rates.peak == rates.average == round(8 * 64_000 * 48_000 / 192_512)
    assert measured([]) == Rates(0, 0)
