"""What may be written in a chat, and what is refused with which code. Pure."""

from typing import Final

from shared import text_rules
from shared.errors import (
    Conflict,
    Detail,
    Forbidden,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from shared.text_rules import RefusedText

MAX_SLOW_SECONDS: Final = 300


class ChatNotFound(NotFound):
    """There is no such chat, or the caller may not watch the live."""

    code = "chat_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such chat.")


class MessageNotFound(NotFound):
    """There is no such message, or no longer."""

    code = "chat_message_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such message.")


class ChatOff(Conflict):
    """The owner, or the installation, has no chat."""

    code = "chat_off"

    def __init__(self) -> None:
        super().__init__("This live has no chat.")


class ChatClosed(Conflict):
    """The owner lets nobody write now."""

    code = "chat_closed"

    def __init__(self) -> None:
        super().__init__("The chat is closed.")


class ChatEnded(Conflict):
    """The live is over."""

    code = "chat_ended"

    def __init__(self) -> None:
        super().__init__("The live is over, and so is its chat.")


class Banned(Forbidden):
    """The owner lets this user write no more."""

    code = "chat_banned"

    def __init__(self) -> None:
        super().__init__("You may not write in this chat.")


class NotModerator(Forbidden):
    """Only the owner of the live may do this."""

    code = "chat_not_owner"

    def __init__(self) -> None:
        super().__init__("Only the owner of the live may do this.")


class TooFast(TooManyRequests):
    """More messages than one user, one address, or a whole chat may send."""

    code = "chat_too_fast"


class SlowMode(TooManyRequests):
    """The owner lets each viewer write once in so many seconds."""

    code = "chat_slow_mode"


class TooManyReaders(TooManyRequests):
    """The address, the chat or the process has as many readers as it may have."""

    code = "chat_full"


class ChatAway(Unavailable):
    """Messages are in Redis, which does not answer."""

    code = "chat_unavailable"

    def __init__(self) -> None:
        super().__init__("The chat is away for a moment.", retry_after=2)


class KeyReused(Conflict):
    """The idempotency key was used for another message."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This idempotency key was used for a different message.")


def cleaned(text: str) -> str:
    """A message as it is kept. Raises InvalidInput."""
    try:
        return text_rules.clean_message(text)
    except RefusedText as refused:
        message = f"The message {refused.problem}."
        raise InvalidInput(message, [Detail("text", refused.problem)]) from None
