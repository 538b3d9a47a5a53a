"""Cinelog on parts of its own, all under one supervisor: everything in it may be killed."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.local import parts
from deploy.local.daemon import PROBE_SECONDS
from deploy.local.environments import Stack, port_names, secret_names
from deploy.local.parts import postgres
from deploy.local.state import Home
from tests.support.real_parts import ROOT, in_memory
from tests.support.stack import GENEROUS, RunningStack

_LONGEST_PAUSE = 2.0


@contextmanager
def whole_stack(
    workers: int,
    options: Mapping[str, str],
    *,
    place: Path | None = None,
    before: Callable[[RunningStack], None] = lambda _: None,
) -> Iterator[RunningStack]:
    """Start it as ``make up`` does, with ``options`` for every service; stop and forget it.

    It lies in ``place`` and writes to disk what it acknowledges; without one, it lies in memory
    and does not. ``before`` may change the environments of its processes.
    """
    with ExitStack() as at_the_end:
        temporary = tempfile.TemporaryDirectory(
            prefix="cinelog-whole-", dir=place or in_memory(), ignore_cleanup_errors=True
        )
        folder = Path(at_the_end.enter_context(temporary))
        # The database server's user passes through; it cannot list.
        folder.chmod(0o711)
        home = Home(folder)
        at_the_end.callback(postgres.forget, home.folder)
        packages = Path(os.environ.get("CINELOG_HOME") or ROOT / ".local").resolve() / "packages"
        # Where the stack looks for what it can do without, such as the library for SRT.
        (home.folder / "packages").symlink_to(packages)
        ports = home.ports(("gateway", *parts.PORTS, *port_names(workers)))
        secrets = home.secrets((*parts.SECRETS, *secret_names()))
        layout = parts.Layout(
            home.folder, packages, ports, secrets, for_tests=True, durable=place is not None
        )
        stack = RunningStack(
            Stack(
                home=home.folder,
                urls=parts.urls(layout),
                port=ports["gateway"],
                ports=ports,
                secrets=secrets,
                workers=workers,
                options={**GENEROUS, **options},
            ),
            parts.steps(layout),
            longest_pause=_LONGEST_PAUSE,
            probe_seconds=PROBE_SECONDS,
        )
        before(stack)
        at_the_end.callback(stack.stop)
        stack.start()
        yield stack
