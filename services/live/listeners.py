"""Where publishers connect: by RTMP, RTMPS and SRT."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

from services.live.rtmp.certificate import Certificate, CertificateError
from services.live.rtmp.server import RtmpServer
from services.live.settings import LiveSettings
from services.live.srt.calls import SrtError
from services.live.srt.library import Library
from services.live.srt.listener import Listener
from services.live.srt.publishers import SrtPublishers
from shared import settings
from shared.host.host import Work
from shared.loops.loops import Loops
from shared.settings import Address

# How long SRT waits for packets that are sent again; a publisher may ask for more.
_SRT_LATENCY_MS: Final = 120
CERTIFICATE: Final = "read the certificate"
_CERTIFICATE_SECONDS: Final = 10.0


def srt(bind: Address, library: Library | None, publishers: SrtPublishers) -> Listener | None:
    """Listens for publishers by SRT, where that is installed. Raises SettingsError."""
    if library is None:
        return None
    listener = Listener(
        library, admit=publishers.admit, serve=publishers.serve, latency_ms=_SRT_LATENCY_MS
    )
    try:
        listener.open(bind.host, bind.port)
    except SrtError as error:
        raise settings.SettingsError(f"SRT_BIND: {error}") from error
    return listener


def certificate(config: LiveSettings) -> Certificate | None:
    """Of RTMPS, where that is set up. Raises SettingsError."""
    if config.rtmps_certificate is None and config.rtmps_key is None:
        return None
    try:
        return Certificate(Path(config.rtmps_certificate or ""), Path(config.rtmps_key or ""))
    except CertificateError as error:
        raise settings.SettingsError(f"RTMPS_CERTIFICATE, RTMPS_KEY: {error}") from error


def reading(found: Certificate | None, loops: Loops) -> dict[str, Work]:
    """The work of reading the certificate again, where there is one."""
    if found is None:
        return {}

    async def refresh() -> None:
        await asyncio.to_thread(found.refresh)

    return {"certificate": lambda: loops.repeat(CERTIFICATE, refresh, _CERTIFICATE_SECONDS)}


async def rtmp(publishers: RtmpServer, config: LiveSettings, found: Certificate | None) -> None:
    """Raises SettingsError where a port is taken."""
    binds: list[tuple[str, Address, ssl.SSLContext | None]] = [
        ("RTMP_BIND", config.rtmp_bind, None)
    ]
    if found is not None:
        binds.append(("RTMPS_BIND", config.rtmps_bind, found.context))
    for name, bind, tls in binds:
        try:
            await publishers.listen(bind, tls)
        except OSError as error:
            raise settings.SettingsError(f"{name}: {error}") from error
    await asyncio.Event().wait()
