"""ffprobe's description of a source, as far as it is used. Pure."""

import msgspec

from services.transcoder.planning.media_errors import rejected


class SideData(msgspec.Struct, frozen=True):
    """Side data of a stream or a frame, such as its display matrix or the lines to cut off.

    Chromaticities and luminances of the mastering display are fractions.
    """

    side_data_type: str = ""
    rotation: float = 0
    displaymatrix: str = ""
    crop_top: int = 0
    crop_bottom: int = 0
    crop_left: int = 0
    crop_right: int = 0
    dv_profile: int | None = None
    dv_bl_signal_compatibility_id: int | None = None
    red_x: str | None = None
    red_y: str | None = None
    green_x: str | None = None
    green_y: str | None = None
    blue_x: str | None = None
    blue_y: str | None = None
    white_point_x: str | None = None
    white_point_y: str | None = None
    min_luminance: str | None = None
    max_luminance: str | None = None
    max_content: int | None = None
    max_average: int | None = None


class Stream(msgspec.Struct, frozen=True):
    index: int = 0
    codec_type: str = ""
    codec_name: str = "unknown"
    codec_long_name: str | None = None
    codec_tag_string: str = ""
    profile: str | None = None
    pix_fmt: str | None = None
    width: int = 0
    height: int = 0
    sample_aspect_ratio: str = "1:1"
    r_frame_rate: str = "0/0"
    avg_frame_rate: str = "0/0"
    start_time: str | None = None
    duration: str | None = None
    nb_frames: str | None = None
    has_b_frames: int = 0
    field_order: str = "unknown"
    color_range: str | None = None
    color_space: str | None = None
    color_primaries: str | None = None
    color_transfer: str | None = None
    channels: int = 0
    channel_layout: str = "unknown"
    sample_rate: str = "0"
    bit_rate: str | None = None
    disposition: dict[str, int] = {}
    tags: dict[str, str] = {}
    side_data_list: list[SideData] = []


class Format(msgspec.Struct, frozen=True):
    format_name: str = ""
    start_time: str | None = None
    duration: str | None = None
    bit_rate: str | None = None
    tags: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """The names of the demuxer, such as ``mov`` and ``mp4``."""
        return self.format_name.split(",")


class Frame(msgspec.Struct, frozen=True):
    """One of the first frames, decoded."""

    stream_index: int = -1
    interlaced_frame: int = 0
    color_range: str | None = None
    color_space: str | None = None
    color_primaries: str | None = None
    color_transfer: str | None = None
    side_data_list: list[SideData] = []


class ProgramStream(msgspec.Struct, frozen=True):
    index: int = -1


class Program(msgspec.Struct, frozen=True):
    """Streams of a broadcast that belong together."""

    streams: list[ProgramStream] = []


class ProbeReport(msgspec.Struct, frozen=True):
    """ffprobe's ``-show_format -show_streams -show_programs -show_frames`` as JSON."""

    programs: list[Program] = []

    streams: list[Stream] = []
    frames: list[Frame] = []
    format: Format = Format()


def parse_report(text: bytes) -> ProbeReport:
    """Parse ffprobe's output. Raises MediaRejected where it is not a report."""
    try:
        return msgspec.json.decode(text, type=ProbeReport)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise rejected("media.unreadable") from error
