"""The sentences that the uploader of a file reads where it could not be processed. Pure.

Each says what is wrong, whether the file can be repaired, and how. Braces are filled in.
"""

from collections.abc import Mapping
from typing import Final

_CONVERT: Final = "ffmpeg -i FILE -c:v libx264 -c:a aac fixed.mp4"
_OURS: Final = (
    "The fault is on our side, and the file is kept: try again a little later. If that does not"
    " help either, upload it again."
)
_DISAGREES: Final = (
    "The file is probably damaged, or its tracks contradict each other. Write it anew"
    f" ({_CONVERT}), and upload the result."
)
_UNUSUAL: Final = (
    f"The file may be unusual rather than damaged. Write it anew ({_CONVERT}), and upload the"
    " result."
)

REASONS: Final[Mapping[str, str]] = {
    "encoder.keyframes": f"A part of the video came out without its beginning. {_UNUSUAL}",
    "encoder.sound": f"The sound came out unreadable. {_UNUSUAL}",
    "encoder.timing": f"A part of the video came out at the wrong time. {_UNUSUAL}",
    "internal": f"Something went wrong. {_OURS}",
    "internal.plan": f"What was planned does not fit the file. {_OURS}",
    "media.changes": (
        "The picture's size or the kind of sound changes in the middle of the file, and it"
        f" could not be decoded from beginning to end. Write it anew ({_CONVERT}), and upload"
        " the result."
    ),
    "media.damaged": (
        f"The file is damaged: its picture cannot be decoded from {{at}} on. Copy it again"
        " from where it was recorded. If it is damaged there too, save what can be decoded"
        f" ({_CONVERT}), and upload that."
    ),
    "media.empty": (
        "The file is empty: it holds no picture and no sound of any length. Copy it again"
        " from where it was recorded, and upload that."
    ),
    "media.encrypted": (
        "The file is protected ({protection}), and cannot be decoded without its key. Upload"
        " a copy without protection; what was bought or rented with protection has no such"
        " copy."
    ),
    "media.gap": (
        "The file claims to last {reach}, but holds pictures and sound for {covered} only."
        " Write it anew without the gaps (ffmpeg -i FILE -vf setpts=N/FRAME_RATE/TB -af"
        " asetpts=N/SR/TB fixed.mp4), and upload the result."
    ),
    "media.jumps": (
        "The time stamps of the file jump, and it could not be decoded from beginning to end."
        f" Write it anew ({_CONVERT}), and upload the result."
    ),
    "media.no_copy": f"What was decoded of the file cannot be read again. {_UNUSUAL}",
    "media.no_index": (
        "The file has no index (moov), without which nobody can read it: the recording was"
        " cut off before it was finished, or the file was not copied whole. Copy it from the"
        " device again; else the program untrunc can often repair it (untrunc other.mp4"
        " this.mp4) with another recording of the same device."
    ),
    "media.no_still": (
        "No picture of the video can be decoded. Copy it again from where it was recorded, or"
        f" save what can be decoded ({_CONVERT}), and upload that."
    ),
    "media.no_times": (
        "The file says in which order its pictures are shown, but not when. Write it anew"
        f" ({_CONVERT}), and upload the result."
    ),
    "media.no_tracks": (
        "The file holds neither pictures nor sound. Copy it again from where it was recorded,"
        " and upload that."
    ),
    "media.not_fit": (
        "The pictures at which the file says that decoding can begin are none of that kind."
        f" Write it anew ({_CONVERT}), and upload the result."
    ),
    "media.too_complex": (
        "The file has more tracks or pictures than can be processed. Keep what is needed of"
        " it (ffmpeg -i FILE -map 0:V:0 -map 0:a:0? -r 30 -c:v libx264 -c:a aac fixed.mp4),"
        " and upload that."
    ),
    "media.too_heavy": (
        "Processing the file takes more memory or time than one video may have. Make its"
        " picture smaller (ffmpeg -i FILE -vf scale=1920:-2 -c:v libx264 -c:a aac"
        " smaller.mp4), and upload the result."
    ),
    "media.too_large_picture": (
        "The picture is {width} × {height}, larger than can be processed. Make it smaller"
        " (ffmpeg -i FILE -vf scale=3840:-2 -c:v libx264 -c:a aac smaller.mp4), and upload the"
        " result."
    ),
    "media.too_long": (
        "The video is longer than 24 hours. Cut it (ffmpeg -i FILE -c copy -map 0 -f segment"
        " -segment_time 36000 -reset_timestamps 1 part-%d.mkv), and upload the parts."
    ),
    "media.too_many_streams": (
        "The file has more tracks than can be processed ({most}). Keep what is needed of it"
        " (ffmpeg -i FILE -map 0:V:0 -map 0:a:0? -c copy fewer.mkv), and upload that."
    ),
    "media.too_much_output": (
        f"The video becomes larger than its length allows. Write it anew ({_CONVERT}), and"
        " upload the result."
    ),
    "media.too_slow": (
        f"Reading the file takes too long. Write it anew ({_CONVERT}), and upload the result."
    ),
    "media.truncated": (
        "The file is incomplete: it ends before its first picture or sound. Copy it again"
        " from where it was recorded, and upload that."
    ),
    "media.unknown_codec": (
        "The {what} cannot be decoded: {formats}. The file is not damaged. Export it from the"
        " program or device that made it as H.264 with AAC in an MP4 file, and upload that."
    ),
    "media.unreadable": (
        "The file is not a video or sound that can be read, or it is damaged at its"
        " beginning. Copy it again from where it was recorded. If it plays there, convert it"
        f" ({_CONVERT}), and upload the result."
    ),
    "remux.damaged": f"A part of the file came out incomplete. {_UNUSUAL}",
    "result.gap": f"The file cannot be decoded without a gap at {{at}}. {_DISAGREES}",
    "result.picture": (
        "The picture of this file lasts {stated}, but what could be decoded of it lasts {made}."
        f" {_DISAGREES}"
    ),
    "result.renditions": f"The picture has different lengths in different sizes. {_DISAGREES}",
    "result.samples": (
        "The sound's time stamps do not agree with its length, and it could not be decoded from"
        f" beginning to end. Write it anew ({_CONVERT}), and upload the result."
    ),
    "result.sound": (
        "The sound of this file lasts {stated}, but what could be decoded of it lasts {made}."
        f" {_DISAGREES}"
    ),
    "source.missing": (
        "The uploaded file is no longer there. The file on your device is not at fault:"
        " upload it again."
    ),
    "storage.damaged": (
        "The stored file is no longer the one that was uploaded. The fault is on our side;"
        " the file on your device is not damaged by it: upload it again."
    ),
    "storage.unavailable": f"The storage did not answer. {_OURS}",
    "storage.unreadable": f"The uploaded file could not be read from the storage. {_OURS}",
    "worker.died": (
        "Processing this video ended several times without a result. The file is kept. Try"
        f" again, or write it anew ({_CONVERT}), and upload the result."
    ),
    "worker.overtaken": f"The work was done twice at once. {_OURS}",
    "worker.scratch": f"The disk for work in progress failed. {_OURS}",
}


def reason(code: str, **values: str) -> str:
    """The sentence of a code, with its braces filled in."""
    return REASONS[code].format(**values)
