"""Where a request came from."""

from typing import Any, Final

from litestar import Request

# The gateway's word for it; the gateway drops what a client sends under this name.
CLIENT_HEADER: Final = "x-cinelog-client"


def client_address(request: Request[Any, Any, Any]) -> str:
    """The client's address as the gateway says, or the peer's; "unknown" where there is neither."""
    peer = request.client.host if request.client else "unknown"
    return request.headers.get(CLIENT_HEADER) or peer
