"""The containers that uploads may have. Pure data, for whoever recognises, opens or documents them.

Each entry names the ffmpeg demuxer that reads it. Only these may be opened: a demuxer that can name
other files or addresses (playlists, image sequences, devices) is never among them, and what has
been left out for other reasons is in ``REFUSED``.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

Kind = Literal["video", "sound", "moving picture"]


class Container(msgspec.Struct, frozen=True):
    """A container: its short name, its name for people, the content type of its stored sources.

    ``endings``: of the names that such files have, the usual one first. ``demuxer``: as ffmpeg
    names it. ``note``: what an uploader should know.
    """

    name: str
    title: str
    kind: Kind
    content_type: str
    endings: tuple[str, ...]
    demuxer: str
    note: str = ""


_MOV: Final = "mov,mp4,m4a,3gp,3g2,mj2"
_MATROSKA: Final = "matroska,webm"
_TIMELESS: Final = "holds no times: the rate is the one that the stream states, else 25"

CONTAINERS: Final = (
    Container(
        "mp4", "MP4, also fragmented (CMAF, DASH)", "video", "video/mp4", ("mp4", "m4s"), _MOV,
        "one stream of segments must begin with its init segment",
    ),
    Container("m4v", "M4V", "video", "video/x-m4v", ("m4v",), _MOV),
    Container("f4v", "F4V", "video", "video/mp4", ("f4v",), _MOV),
    Container(
        "mov", "QuickTime", "video", "video/quicktime", ("mov", "qt"), _MOV,
        "media that lies in other files is not followed",
    ),
    Container("3gp", "3GPP", "video", "video/3gpp", ("3gp", "3g2"), _MOV),
    Container("mj2", "Motion JPEG 2000", "video", "video/mj2", ("mj2", "mjp2"), _MOV),
    Container("mkv", "Matroska", "video", "video/x-matroska", ("mkv", "mka", "mk3d"), _MATROSKA),
    Container("webm", "WebM", "video", "video/webm", ("webm",), _MATROSKA),
    Container("avi", "AVI", "video", "video/x-msvideo", ("avi", "divx"), "avi"),
    Container("flv", "Flash video", "video", "video/x-flv", ("flv",), "flv"),
    Container("wmv", "Windows Media", "video", "video/x-ms-wmv", ("wmv", "asf", "wma"), "asf"),
    Container(
        "mpeg", "MPEG program stream, VOB", "video", "video/mpeg", ("mpg", "mpeg", "vob", "m2p"),
        "mpeg", "may begin with something else, or in mid-packet",
    ),
    Container(
        "ts", "MPEG transport stream", "video", "video/mp2t", ("ts", "m2ts", "mts", "m2t", "trp"),
        "mpegts", "packets of 188, 192 or 204 bytes; may begin in mid-packet, or after junk",
    ),
    Container("ogv", "Ogg", "video", "video/ogg", ("ogv", "ogm"), "ogg"),
    Container("mxf", "MXF", "video", "application/mxf", ("mxf",), "mxf",
              "OP-Atom files hold one track each, and are played as that track"),
    Container("dv", "DV", "video", "video/x-dv", ("dv", "dif"), "dv"),
    Container("gxf", "GXF", "video", "application/gxf", ("gxf",), "gxf"),
    Container("rm", "RealMedia", "video", "video/vnd.rn-realmedia", ("rm", "rmvb", "ra"), "rm"),
    Container("wtv", "Windows recorded TV", "video", "video/x-wtv", ("wtv",), "wtv"),
    Container("nut", "NUT", "video", "video/x-nut", ("nut",), "nut"),
    Container("ivf", "IVF", "video", "video/x-ivf", ("ivf",), "ivf"),
    Container("y4m", "YUV4MPEG2", "video", "video/x-yuv4mpeg2", ("y4m",), "yuv4mpegpipe"),
    Container("h264", "H.264 without a container", "video", "video/h264", ("h264", "264", "avc"),
              "h264", _TIMELESS),
    Container("hevc", "HEVC without a container", "video", "video/h265", ("h265", "265", "hevc"),
              "hevc", _TIMELESS),
    Container("m2v", "MPEG-1 and MPEG-2 video without a container", "video", "video/mpeg",
              ("m2v", "m1v", "mpv"), "mpegvideo", _TIMELESS),
    Container("m4e", "MPEG-4 video without a container", "video", "video/mp4v-es",
              ("m4e", "mp4v"), "m4v", _TIMELESS),
    Container("dav", "Recordings of Dahua's cameras", "video", "video/x-dav", ("dav",), "dhav"),
    Container("gif", "GIF", "moving picture", "image/gif", ("gif",), "gif", "animated only"),
    Container("apng", "APNG", "moving picture", "image/apng", ("apng", "png"), "apng",
              "animated only"),
    Container("avif", "AVIF and HEIF sequences", "moving picture", "image/avif",
              ("avif", "avifs", "heics", "heifs"), _MOV, "animated only"),
    Container("m4a", "M4A, M4B", "sound", "audio/mp4", ("m4a", "m4b", "f4a"), _MOV),
    Container("mp3", "MP3, MP2", "sound", "audio/mpeg", ("mp3", "mp2"), "mp3"),
    Container("aac", "AAC (ADTS)", "sound", "audio/aac", ("aac", "adts"), "aac"),
    Container("oga", "Ogg: Vorbis, Opus, Speex, FLAC", "sound", "audio/ogg",
              ("ogg", "oga", "opus", "spx"), "ogg"),
    Container("flac", "FLAC", "sound", "audio/flac", ("flac",), "flac"),
    Container("wav", "WAV, RF64, BW64", "sound", "audio/wav", ("wav", "bwf"), "wav"),
    Container("w64", "Wave64", "sound", "audio/x-w64", ("w64",), "w64"),
    Container("aiff", "AIFF", "sound", "audio/aiff", ("aiff", "aif", "aifc"), "aiff"),
    Container("caf", "Core Audio", "sound", "audio/x-caf", ("caf",), "caf"),
    Container("au", "AU", "sound", "audio/basic", ("au", "snd"), "au"),
    Container("amr", "AMR", "sound", "audio/amr", ("amr", "awb"), "amr"),
    Container("ac3", "AC-3", "sound", "audio/ac3", ("ac3",), "ac3"),
    Container("eac3", "E-AC-3", "sound", "audio/eac3", ("eac3", "ec3"), "eac3"),
    Container("dts", "DTS", "sound", "audio/vnd.dts", ("dts",), "dts"),
    Container("ape", "Monkey's Audio", "sound", "audio/x-ape", ("ape",), "ape"),
    Container("wv", "WavPack", "sound", "audio/x-wavpack", ("wv",), "wv"),
)  # fmt: skip

# Kinds of files that ffmpeg could open, and why they are refused, for people.
REFUSED: Final = (
    ("playlists (M3U8, MPD, ffconcat, PLS, SDP)",
     "they name other files or addresses; upload the media itself"),
    ("single pictures (JPEG, PNG, HEIC, AVIF, WebP, GIF with one picture)",
     "a video has more than one picture"),
    ("animated WebP", "ffmpeg reads at most its first picture everywhere; turn it into a GIF, an "
     "APNG or a video"),
    ("streams of MJPEG, AV1 or VVC without a container", "they are rare, and one of MJPEG looks "
     "like a picture; `ffmpeg -i a.obu -c copy a.mkv` puts one into a container"),
    ("Flash programs, formats of games, discs and cameras' raw photographs",
     "rare, and each reader is a risk"),
    ("archives, documents, programs, text", "not media; unpack an archive first"),
)  # fmt: skip

BY_NAME: Final = {container.name: container for container in CONTAINERS}


def demuxers() -> Iterator[str]:
    """The demuxers that may be opened, each once."""
    yield from dict.fromkeys(container.demuxer for container in CONTAINERS)
