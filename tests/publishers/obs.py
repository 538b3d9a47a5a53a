"""OBS Studio without a screen, which begins to stream as it starts."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.publishers.debian_programs import DebianPrograms

_GLOBAL: Final = """[General]
FirstRun=true
LastVersion=486539266
[Basic]
Profile=live
ProfileDir=live
SceneCollection=live
SceneCollectionFile=live
"""
_PROFILE: Final = """[General]
Name=live
[Output]
Mode=Simple
Reconnect=false
[SimpleOutput]
VBitrate=800
ABitrate=128
StreamEncoder=x264
Preset=ultrafast
UseAdvanced=true
x264Settings=keyint=40
[Video]
BaseCX=640
BaseCY=360
OutputCX=640
OutputCY=360
FPSType=0
FPSCommon=20
[Audio]
SampleRate=48000
ChannelSetup=Stereo
"""

_SCENES: Final = {
    "name": "live",
    "current_scene": "Scene",
    "current_program_scene": "Scene",
    "scene_order": [{"name": "Scene"}],
    "sources": [{"id": "scene", "name": "Scene", "settings": {"items": []}}],
}


@contextmanager
def obs(programs: DebianPrograms, server: str, key: str) -> Iterator["subprocess.Popen[bytes]"]:
    """OBS, streaming to a server with a key."""
    with ExitStack() as at_the_end:
        home = Path(at_the_end.enter_context(tempfile.TemporaryDirectory(prefix="cinelog-obs-")))
        _configure(home / ".config" / "obs-studio", server, key)
        running = home / "run"
        running.mkdir(mode=0o700)
        environment = programs.environment(
            HOME=str(home),
            XDG_CONFIG_HOME=str(home / ".config"),
            XDG_RUNTIME_DIR=str(running),
            DISPLAY=at_the_end.enter_context(_screen(programs)),
            LIBGL_ALWAYS_SOFTWARE="1",
            LP_NUM_THREADS="1",
            QT_QPA_PLATFORM="xcb",
        )
        command = programs.command(
            *("obs", "--startstreaming", "--multi", "--disable-updater"),
            *("--profile", "live", "--collection", "live"),
        )
        log = at_the_end.enter_context((home / "obs.log").open("wb"))
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        at_the_end.callback(_end, process)
        yield process


def _configure(folder: Path, server: str, key: str) -> None:
    profile = folder / "basic" / "profiles" / "live"
    profile.mkdir(parents=True)
    (folder / "global.ini").write_text(_GLOBAL)
    (profile / "basic.ini").write_text(_PROFILE)
    # Without any it asks who is there.
    (folder / "basic" / "scenes").mkdir()
    (folder / "basic" / "scenes" / "live.json").write_text(json.dumps(_SCENES))
    settings = {"server": server, "key": key, "use_auth": False, "bwtest": False}
    (profile / "service.json").write_text(json.dumps({"type": "rtmp_custom", "settings": settings}))


@contextmanager
def _screen(programs: DebianPrograms) -> Iterator[str]:
    """A display of Xvfb's choice."""
    command = programs.command("Xvfb", "-displayfd", "1", "-screen", "0", "1024x768x24")
    process = subprocess.Popen(
        [*command, "-nolisten", "tcp"],
        env=programs.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        number = process.stdout.readline().strip().decode()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()
