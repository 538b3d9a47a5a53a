"""A virtual host of one's own on the broker, and its management API."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import httpx


class Broker:
    """One virtual host: where to connect, what lies in its queues, and how to cut the lines."""

    def __init__(self, amqp_url: str, api_url: str, vhost: str) -> None:
        self.amqp_url = urlunsplit(urlsplit(amqp_url)._replace(path=f"/{quote(vhost, safe='')}"))
        self._vhost = quote(vhost, safe="")
        parts = urlsplit(api_url)
        self.username = unquote(parts.username or "")
        auth = (self.username, unquote(parts.password or ""))
        self._api = httpx.Client(
            base_url=urlunsplit(parts._replace(netloc=f"{parts.hostname}:{parts.port}")),
            auth=auth,
            timeout=30,
            trust_env=False,
            # RabbitMQ closes idle connections, and a request that meets that is lost.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def queues(self) -> dict[str, dict[str, Any]]:
        """The management API's description of each queue, by name."""
        listed = self._call("GET", f"/queues/{self._vhost}").json()
        return {queue["name"]: queue for queue in listed}

    def connections(self) -> list[str]:
        """The names of the connections that are open."""
        return [
            entry["name"]
            for entry in self._call("GET", f"/vhosts/{self._vhost}/connections").json()
        ]

    def disconnect_all(self) -> None:
        """Close every connection to the virtual host, as a restarting broker does."""
        for name in self.connections():
            self._api.delete(f"/connections/{quote(name, safe='')}")

    def delete_queue(self, name: str) -> None:
        """Remove a queue and what is in it."""
        self._call("DELETE", f"/queues/{self._vhost}/{quote(name, safe='')}")

    def purge(self, name: str) -> None:
        """Throw away what waits in a queue."""
        self._call("DELETE", f"/queues/{self._vhost}/{quote(name, safe='')}/contents")

    def create(self) -> None:
        """Make the virtual host."""
        self._call("PUT", f"/vhosts/{self._vhost}")
        permissions = {"configure": ".*", "write": ".*", "read": ".*"}
        self._call("PUT", f"/permissions/{self._vhost}/{self.username}", permissions)

    def remove(self) -> None:
        """Remove the virtual host and everything in it."""
        self._call("DELETE", f"/vhosts/{self._vhost}")
        self._api.close()

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> httpx.Response:
        response = self._api.request(method, path, json=body or {})
        response.raise_for_status()
        return response


@contextmanager
def own_vhost(amqp_url: str, api_url: str) -> Iterator[Broker]:
    """A fresh virtual host, removed at the end."""
    broker = Broker(amqp_url, api_url, f"test-{uuid.uuid4().hex}")
    broker.create()
    try:
        yield broker
    finally:
        broker.remove()
