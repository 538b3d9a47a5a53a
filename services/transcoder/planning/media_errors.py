"""Errors of tasks: the reason is a sentence for the person who uploaded the source."""

from typing import Final

from services.transcoder.planning.reasons import reason

# Reasons for which reading a source in parts failed, and decoding it as a whole fails too.
_FINAL: Final = frozenset(
    (
        "media.empty",
        "media.encrypted",
        "media.gap",
        "media.no_tracks",
        "media.too_complex",
        "media.too_large_picture",
        "media.too_long",
        "media.too_many_streams",
        "media.truncated",
    )
)
# Whose fault the others are: the file's, an encoder's that got what it did not expect, a cut of the
# file's own frames, or a result that does not agree with its plan.
_OF_MEDIA: Final = ("media.", "encoder.", "remux.", "result.")
# Reasons that are certain without a second look, and known before anything is made.
CHANGES: Final = "media.changes"
JUMPS: Final = "media.jumps"
# ffmpeg tells the times of such a file's pictures only when it decodes it in order.
NO_TIMES: Final = "media.no_times"
# What an encoder made has other times than it has samples.
RESULT_SOUND: Final = "result.samples"
CERTAIN: Final = frozenset((CHANGES, JUMPS, NO_TIMES, RESULT_SOUND))


# Failures of tasks that the same bytes give each time: the second one is certain. Others may pass,
# such as those of time and memory.
_REPEATABLE: Final = frozenset(
    (
        "encoder.keyframes",
        "encoder.sound",
        "encoder.timing",
        "media.no_copy",
        "media.no_still",
        "remux.damaged",
    )
)


def is_repeatable(code: str) -> bool:
    """Whether a task that has failed with ``code`` twice fails so each time."""
    return code in _REPEATABLE


def needs_plain(code: str, *, planned: bool) -> bool:
    """Whether a source that failed with ``code`` may succeed if it is decoded as a whole.

    A source for which no plan could be made cannot be opened at all, unless its plan says that it
    changes on the way.
    """
    if code in CERTAIN:
        return True
    return planned and code.startswith(_OF_MEDIA) and code not in _FINAL


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


def rejected(code: str, detail: str | None = None, **values: str) -> MediaRejected:
    """The error of a source, in the words of its code."""
    return MediaRejected(code, reason(code, **values), detail)


def failed(code: str, detail: str | None = None, **values: str) -> TaskFailed:
    """The error of a task, in the words of its code."""
    return TaskFailed(code, reason(code, **values), detail)
