"""Publishers by RTMPS: a real ffmpeg, and a certificate that is replaced meanwhile."""

import asyncio
import ssl
from pathlib import Path

import pytest
import uvloop
from cryptography import x509

from services.live.doorkeeper import Doorkeeper
from services.live.rtmp.certificate import Certificate, CertificateError
from services.live.rtmp.server import RtmpServer
from shared.programs.finding import find_ffmpeg
from tests.integration.live.test_live_rtmp import LOCAL, Door
from tests.support.certificates import self_signed
from tests.support.rtmp_bytes import command, picture, publish
from tests.support.wait import eventually


def write(folder: Path, name: str) -> None:
    """A certificate of its own, and its key."""
    made, key = self_signed(name)
    (folder / "tls.key").write_bytes(key)
    (folder / "tls.crt").write_bytes(made)


def certificate(folder: Path) -> Certificate:
    return Certificate(folder / "tls.crt", folder / "tls.key")


async def shown(port: int) -> str:
    """The name in the certificate that a client sees."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    name = x509.load_der_x509_certificate(found).subject
    return str(name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


async def test_everything_that_ffmpeg_sends_arrives(tmp_path: Path) -> None:
    write(tmp_path, "one")
    door = Door()
    server = RtmpServer(Doorkeeper(door))
    port = await server.listen(LOCAL, certificate(tmp_path).context)
    process = await asyncio.create_subprocess_exec(
        *(find_ffmpeg(None), "-v", "error"),
        *("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=3", "-g", "10"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-tls_verify", "0"),
        *("-f", "flv", f"rtmps://127.0.0.1:{port}/live/good"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said
    await eventually(lambda: door.sinks[0].ended)
    assert door.sinks[0].ended == ("unpublished", True)
    # The header, and 30 pictures.
    assert sum(tag.kind == 9 for tag in door.sinks[0].tags) >= 31
    assert door.publishers[0].protocol == "rtmps"
    await server.close()


async def test_a_renewed_certificate_is_used_at_once(tmp_path: Path) -> None:
    write(tmp_path, "one")
    found = certificate(tmp_path)
    server = RtmpServer(Doorkeeper(Door()))
    port = await server.listen(LOCAL, found.context)
    assert await shown(port) == "one"
    assert not found.refresh()
    # In the middle of a change: the key of another certificate.
    key = (tmp_path / "tls.key").read_bytes()
    write(tmp_path, "two")
    renewed = (tmp_path / "tls.key").read_bytes()
    (tmp_path / "tls.key").write_bytes(key)
    assert not found.refresh()
    assert await shown(port) == "one"
    (tmp_path / "tls.key").write_bytes(renewed)
    assert found.refresh()
    assert await shown(port) == "two"
    (tmp_path / "tls.crt").unlink()
    assert not found.refresh()
    assert await shown(port) == "two"
    await server.close()


def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"tls\.crt"):
        certificate(tmp_path)
    write(tmp_path, "one")
    (tmp_path / "tls.crt").write_text("nothing")
    with pytest.raises(CertificateError, match=r"tls\.crt"):
        certificate(tmp_path)


def test_it_works_under_the_event_loop_of_processes(tmp_path: Path) -> None:
    write(tmp_path, "one")

    async def scenario() -> tuple[str, bool] | None:
        door = Door()
        server = RtmpServer(Doorkeeper(door))
        port = await server.listen(LOCAL, certificate(tmp_path).context)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(publish() + picture(0, key=True, size=3_000_000))
        await eventually(lambda: door.sinks and door.sinks[0].tags)
        writer.write(command("deleteStream", None, 1.0))
        await eventually(lambda: door.sinks[0].ended)
        writer.close()
        await server.close()
        return door.sinks[0].ended

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == ("unpublished", True)
