"""Free loopback ports, outside the range from which the kernel takes outgoing ones."""

import random
import socket
from collections.abc import Iterable, Mapping

# Linux hands out 32768–60999 to outgoing connections: a server's fixed port in there can be
# taken by a stranger's connection while the server restarts.
LOWEST, HIGHEST = 20_000, 32_767


class NoFreePort(Exception):
    """No port could be bound."""


def is_free(port: int) -> bool:
    """Whether a server could bind ``port`` on loopback now, for TCP or UDP."""
    return all(_binds(port, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _binds(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose(names: Iterable[str], kept: Mapping[str, int]) -> dict[str, int]:
    """A free port for each name: the one it had last time where that is still free.

    Ports start at random places, so that instances started at the same time rarely collide.
    """
    wanted = list(names)
    chosen = {name: kept[name] for name in wanted if name in kept and is_free(kept[name])}
    candidates = iter(random.sample(range(LOWEST, HIGHEST + 1), HIGHEST - LOWEST))
    for name in wanted:
        if name in chosen:
            continue
        taken = set(chosen.values())
        free = (port for port in candidates if port not in taken and is_free(port))
        port = next(free, None)
        if port is None:
            raise NoFreePort(f"no free port between {LOWEST} and {HIGHEST} for {name}")
        chosen[name] = port
    return chosen
