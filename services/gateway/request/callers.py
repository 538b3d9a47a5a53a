"""The caller of a request: its network identity, and its user if the access token is valid."""

from typing import Final

from services.gateway.request.client_address import ClientAddress
from services.gateway.request.exchange import Exchange
from services.gateway.request.routes import Policy, Route
from shared.errors import Unauthenticated, Unavailable
from shared.http.access_tokens import Principal, Verifier
from shared.http.device_cookies import DEVICE_COOKIE, REFRESH_COOKIE, cookie_value, read_device

_LOGIN: Final = "/api/v1/auth/login"
_REFRESH: Final = "/api/v1/auth/refresh"

Buckets = tuple[tuple[Policy, str], ...]


class Callers:
    """Identifies callers. ``public_url`` is the product's address, where it is configured."""

    def __init__(
        self, addresses: ClientAddress, verifier: Verifier, public_url: str | None = None
    ) -> None:
        self._addresses = addresses
        self._verifier = verifier
        self._origin = public_url.rstrip("/").encode() if public_url else b""
        self._secure = self._origin.startswith(b"https://")

    def locate(self, exchange: Exchange) -> None:
        """Fill in ``client``, ``origin`` and ``secure``."""
        headers, scope = exchange.request_headers, exchange.scope
        peer = scope["client"]
        exchange.client = self._addresses.of(peer[0] if peer else "", headers.forwarded_for)
        scheme = self._addresses.scheme(scope["scheme"], headers.forwarded_proto)
        exchange.secure = self._secure or scheme == "https"
        exchange.origin = self._origin or b"%b://%b" % (scheme.encode(), headers.host)

    async def authenticate(self, exchange: Exchange) -> None:
        """Fill in ``user`` where the request carries a valid token.

        An invalid token is passed on: the service answers 401 itself.
        """
        scheme, _, token = exchange.request_headers.authorization.partition(b" ")
        if not token or scheme.lower() != b"bearer":
            return
        bearer = token.decode("latin-1").strip()
        principal = self._verifier.cached(bearer) or await self._verify(bearer)
        if principal is not None:
            exchange.user = principal.user_id

    def buckets(self, exchange: Exchange, route: Route) -> Buckets:
        """Whose buckets pay for the request, and by which policies.

        Password guesses share one bucket per address, with or without an access token; but a device
        on which somebody has logged in before has its own, so that others behind the same address
        cannot use it up. All such devices of an address share a wider one, as somebody with many
        accounts has many devices. A browser refreshes its session on every page load, with a random
        token in a cookie that nobody can guess: that costs what any request costs.
        """
        if route.policy is Policy.AUTH:
            cookies = exchange.header(b"cookie").decode("latin-1")
            if route.pattern == _LOGIN:
                sent = cookie_value(cookies, DEVICE_COOKIE)
                device = read_device(sent, self._verifier.keys, issuer=self._verifier.issuer)
                if device is not None:
                    own = Policy.AUTH, f"device:{device.device_id}"
                    return own, (Policy.DEVICES, exchange.client)
            elif route.pattern == _REFRESH and cookie_value(cookies, REFRESH_COOKIE):
                return ((Policy.GENERAL, exchange.client),)
            return ((Policy.AUTH, exchange.client),)
        return ((route.policy, exchange.user or exchange.client),)

    async def _verify(self, token: str) -> Principal | None:
        try:
            return await self._verifier.verify(token)
        except (Unauthenticated, Unavailable):
            return None
