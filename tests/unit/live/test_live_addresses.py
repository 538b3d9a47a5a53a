"""What people are told to publish to: only what this installation receives by."""

from services.live.http.addresses import Addresses, addresses


def test_only_what_is_received_by_is_told() -> None:
    assert addresses("rtmp://live.example.com/live") == Addresses(
        rtmp_url="rtmp://live.example.com/live"
    )


def test_other_ways_are_at_the_same_host() -> None:
    told = addresses("rtmp://live.example.com:31935/live", rtmps=1936, srt=9710, whip=True)
    assert told.rtmps_url == "rtmps://live.example.com:1936/live"
    assert told.srt_url == "srt://live.example.com:9710"
    assert told.whip_url == "/api/v1/live/whip"
    assert addresses("rtmp://[::1]:1935/live", srt=9710).srt_url == "srt://[::1]:9710"


def test_an_address_of_its_own_is_told_as_it_is() -> None:
    told = addresses("rtmp://a/live", rtmps="rtmps://b:443/app", srt="srt://c:31710")
    assert (told.rtmps_url, told.srt_url) == ("rtmps://b:443/app", "srt://c:31710")
