"""Errors of tasks: the reason is a sentence for the person who uploaded the source."""

from typing import Final

TRUNCATED: Final = (
    "The file is incomplete or damaged: it ends before it says it does. Please upload it again."
)
# ffmpeg tells the times of such a file's pictures only when it decodes it in order.
NO_TIMES: Final = "media.no_times"


class MediaRejected(Exception):
    """The source cannot be transcoded, and a retry would not help.

    ``code`` is stable, ``reason`` is for people, ``detail`` is the tail of ffmpeg's stderr.
    """

    def __init__(self, code: str, reason: str, detail: str | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.detail = detail


class TaskFailed(Exception):
    """A task failed although the source may be fine: it is tried again a few times."""

    def __init__(self, code: str, reason: str, detail: str | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.detail = detail
