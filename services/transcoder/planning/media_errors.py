"""Why a source cannot be turned into a video, in words for the person who uploaded it."""


class MediaRejected(Exception):
    """The source itself is at fault: trying again will not help.

    ``code`` is stable, ``reason`` for people, ``detail`` what ffmpeg said last.
    """

    def __init__(self, code: str, reason: str, detail: str | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.detail = detail


class TaskFailed(Exception):
    """A task did not end well though the source may be fine: try again, in the end give up."""

    def __init__(self, code: str, reason: str, detail: str | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.detail = detail
