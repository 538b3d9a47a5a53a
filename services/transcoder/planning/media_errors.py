"""Errors of tasks: the reason is a sentence for the person who uploaded the source."""

from typing import Final

TRUNCATED: Final = (
    "The file is incomplete or damaged: it ends before its first picture or sound. Please upload "
    "it again."
)
NO_INDEX: Final = (
    "The file has no index (moov), without which nobody can read it: the recording was cut off "
    "before it was finished, or the file was not copied whole. Copy it from the device again; else "
    "the program untrunc can often repair it (untrunc other.mp4 this.mp4) with another recording "
    "of the same device."
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
