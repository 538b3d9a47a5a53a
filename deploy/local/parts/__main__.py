"""Run the parts alone, for tests: ``python -m deploy.local.parts HOME [PACKAGES]``.

Prints one line of JSON (see ``Urls``) when all of them answer. Stops them when its standard input
closes or on SIGTERM, so that nothing survives a test run that was killed; ``--temporary`` takes
HOME along, ``--durable`` leaves fsync on.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import threading
from pathlib import Path

import msgspec

from deploy.local import parts
from deploy.local.parts import postgres
from deploy.local.state import Home
from deploy.local.supervisor import StepFailed, Supervisor


async def run(home: Home, packages: Path, *, durable: bool) -> None:
    """Start, announce, wait for the end, stop."""
    layout = parts.Layout(
        home=home.folder,
        packages=packages,
        ports=home.ports(parts.PORTS),
        secrets=home.secrets(parts.SECRETS),
        for_tests=True,
        durable=durable,
    )
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    loop.add_signal_handler(signal.SIGINT, end.set)
    threading.Thread(target=_until_input_closes, args=(loop, end), daemon=True).start()
    supervisor = Supervisor(parts.steps(layout), home.logs)
    start = asyncio.create_task(supervisor.start())
    stop_requested = asyncio.create_task(end.wait())
    try:
        await asyncio.wait({start, stop_requested}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
            sys.stdout.write(msgspec.json.encode(parts.urls(layout)).decode() + "\n")
            sys.stdout.flush()
            await stop_requested
    finally:
        start.cancel()
        await asyncio.wait({start})
        await supervisor.stop()


def _until_input_closes(loop: asyncio.AbstractEventLoop, end: asyncio.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    loop.call_soon_threadsafe(end.set)


def main() -> None:
    """Read the arguments and run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.parts")
    parser.add_argument("home", type=Path)
    parser.add_argument("packages", type=Path, nargs="?")
    parser.add_argument("--temporary", action="store_true")
    parser.add_argument("--durable", action="store_true")
    arguments = parser.parse_args()
    home = Home(arguments.home)
    packages = arguments.packages or home.folder / "packages"
    try:
        asyncio.run(run(home, packages.resolve(), durable=arguments.durable))
    except StepFailed as error:
        sys.exit(_explained(home, error))
    finally:
        if arguments.temporary:
            postgres.forget(home.folder)
            shutil.rmtree(home.folder, ignore_errors=True)


def _explained(home: Home, error: StepFailed) -> str:
    logs = sorted(home.logs.glob("*.log"))
    tails = (f"--- {log.name}\n{_tail(log)}" for log in logs)
    return "\n".join((*tails, str(error)))


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


if __name__ == "__main__":
    main()
