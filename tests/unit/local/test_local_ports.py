import socket

import pytest

from deploy.local import ports


@pytest.fixture
def taken() -> int:
    return ports.choose(["taken"], {})["taken"]


def listening(port: int) -> socket.socket:
    server = socket.socket()
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


def test_every_name_gets_a_port_of_its_own_outside_the_outgoing_range() -> None:
    names = [f"service-{number}" for number in range(40)]

    chosen = ports.choose(names, {})

    assert set(chosen) == set(names)
    assert len(set(chosen.values())) == len(names)
    assert all(1024 < port < 32768 for port in chosen.values())


def test_a_port_that_is_still_free_is_kept(taken: int) -> None:
    assert ports.choose(["gateway"], {"gateway": taken}) == {"gateway": taken}


def test_a_port_that_somebody_took_meanwhile_is_replaced(taken: int) -> None:
    with listening(taken):
        assert not ports.is_free(taken)
        assert ports.choose(["gateway"], {"gateway": taken})["gateway"] != taken


def test_a_port_that_somebody_took_for_udp_is_replaced(taken: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", taken))
        assert not ports.is_free(taken)
        assert ports.choose(["live.srt"], {"live.srt": taken})["live.srt"] != taken


def test_names_that_are_no_longer_wanted_are_dropped(taken: int) -> None:
    assert ports.choose([], {"gone": taken}) == {}


def test_no_port_left_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _: False)

    with pytest.raises(ports.NoFreePort, match="gateway"):
        ports.choose(["gateway"], {})
