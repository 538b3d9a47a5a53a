"""The services as containers instead of processes, where CINELOG_TEST_IMAGES=1 asks for it.

They share the machine's network and get what the chart gives them: no root, no capability, a
read-only file system.
"""

import os
from collections.abc import Sequence
from uuid import uuid4

import msgspec

from deploy.docker.images import docker, image
from deploy.local.process import Process, Step

_OF_THE_MACHINE = frozenset({"PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "TZ"})
_FOLDERS = {"WEB_ROOT": "/app/web", "SCRATCH_DIR": "/scratch"}


def as_asked(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The same steps, as containers if the environment says so."""
    if os.environ.get("CINELOG_TEST_IMAGES") != "1":
        return tuple(steps)
    client = docker()
    return tuple(_contained(step, client) if isinstance(step, Process) else step for step in steps)


def restrictions() -> list[str]:
    """What every container is refused, as arguments of `docker run`."""
    return [
        *("--read-only", "--user", "10001:10001", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges"),
        *("--tmpfs", "/tmp:mode=1777,size=128m"),
        *("--tmpfs", "/scratch:mode=1777,size=4g"),
    ]


def _contained(step: Process, client: str) -> Process:
    """``step`` is `python -m services.NAME.main …`."""
    module = step.argv[2]
    given = {name: value for name, value in step.env.items() if name not in _OF_THE_MACHINE}
    given |= {name: folder for name, folder in _FOLDERS.items() if name in given}
    argv = [client, "run", "--rm", "--name", f"{step.name}-{uuid4().hex[:8]}", "--network", "host"]
    argv += ["--label", "cinelog-test"]
    argv += restrictions()
    for name in given:
        argv += ["--env", name]
    # Docker's own client reads where its engine is.
    engine = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    return msgspec.structs.replace(
        step,
        argv=(*argv, image(module.split(".")[1]), *step.argv[2:]),
        env={**given, **engine, "PATH": os.defpath},
    )
