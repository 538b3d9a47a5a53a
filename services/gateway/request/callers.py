"""The caller of a request: its network identity, and its user if the access token is valid."""

from services.gateway.request.client_address import ClientAddress
from services.gateway.request.exchange import Exchange
from shared.errors import Unauthenticated, Unavailable
from shared.http.access_tokens import Principal, Verifier


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

    async def _verify(self, token: str) -> Principal | None:
        try:
            return await self._verifier.verify(token)
        except (Unauthenticated, Unavailable):
            return None
