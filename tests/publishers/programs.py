"""Command lines of programs that publish a moving picture with a tone, until they are ended."""

from typing import Final

from shared.programs.finding import find_ffmpeg

_RATE: Final = 25
_PICTURE: Final = ("-re", "-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={_RATE}")
_SOUND: Final = ("-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000")
_H264: Final = (
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1"),
    *("-pix_fmt", "yuv420p", "-profile:v", "baseline", "-b:v", "800k"),
    *("-g", str(2 * _RATE), "-keyint_min", str(2 * _RATE), "-sc_threshold", "0"),
)
_HEVC: Final = (
    *("-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"),
    *("-b:v", "800k", "-x265-params", f"log-level=none:pools=1:keyint={2 * _RATE}:scenecut=0"),
)
_AAC: Final = ("-c:a", "aac", "-ac", "2", "-b:a", "96k")
_OPUS: Final = ("-c:a", "libopus", "-ac", "2", "-b:a", "96k")


def ffmpeg(program: str, *output: str, picture: tuple[str, ...] = _H264) -> list[str]:
    """ffmpeg to ``output``, such as ``-f flv rtmp://…``."""
    quiet = ("-nostdin", "-v", "error")
    return [program, *quiet, *_PICTURE, *_SOUND, *picture, *_AAC, *output]


def ffmpeg_hevc(program: str, *output: str) -> list[str]:
    """The same in HEVC."""
    return ffmpeg(program, *output, picture=_HEVC)


def ffmpeg_whip(program: str, url: str, key: str) -> list[str]:
    """ffmpeg 8 and later by WebRTC."""
    quiet = ("-nostdin", "-v", "error")
    target = ("-f", "whip", "-authorization", key, url)
    return [program, *quiet, *_PICTURE, *_SOUND, *_H264, *_OPUS, *target]


def own_ffmpeg() -> str:
    """The one that Cinelog works with, from PyPI."""
    return find_ffmpeg(None)


def gstreamer(*sink: str, mux: str) -> list[str]:
    """gst-launch with a muxer and a sink; SIGINT ends the stream before the program."""
    return [
        *("gst-launch-1.0", "-e", "-q", "videotestsrc", "is-live=true", "pattern=ball", "!"),
        *(f"video/x-raw,format=I420,width=640,height=360,framerate={_RATE}/1", "!"),
        *("x264enc", "tune=zerolatency", "speed-preset=ultrafast", "bitrate=800", "threads=1"),
        *(f"key-int-max={2 * _RATE}", "!", "h264parse", "!", "queue", "!", "mux."),
        *("audiotestsrc", "is-live=true", "!", "audio/x-raw,rate=48000,channels=2", "!"),
        *("audioconvert", "!", "voaacenc", "bitrate=96000", "!", "aacparse", "!", "queue", "!"),
        *("mux.", *mux.split(), "name=mux", "!", *sink),
    ]
