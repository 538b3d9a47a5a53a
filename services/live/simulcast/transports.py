"""How each target is reached."""

from services.live.simulcast.access import Access
from services.live.simulcast.by_rtmp import RtmpTransport
from services.live.simulcast.by_srt import Srt, SrtTransport
from services.live.simulcast.connection import Transport
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.targets import Place, SrtNotInstalled


class Transports:
    """``srt`` is None where libsrt is not installed."""

    def __init__(self, dialer: Dialer, srt: Srt | None) -> None:
        self._dialer = dialer
        self._srt = srt

    def to(self, place: Place, secret: str) -> Transport:
        """``secret``: a stream key, or what a caller by SRT says. Raises SrtNotInstalled."""
        if place.scheme != "srt":
            return RtmpTransport(self._dialer, place, secret)
        if self._srt is None:
            raise SrtNotInstalled
        return SrtTransport(self._dialer, place, Access.parse(secret), self._srt)
