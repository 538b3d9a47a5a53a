"""A clock in the picture: a bar code of the time of day, which a viewer's browser reads.

Each of ``BITS`` columns is a bit of the milliseconds since 1970: white above and black below for
1, the other way round for 0. A picture whose columns say neither is not read.
"""

from typing import Final

BITS: Final = 24
"""Of which the clock begins anew every four hours and forty minutes."""
WIDTH: Final = 1280
HEIGHT: Final = 720
# Columns are whole pixels, so that some of the width is left over.
_COLUMN: Final = WIDTH // BITS
# Of the picture's height, for both halves.
_PART: Final = 9
_HALF: Final = HEIGHT // _PART // 2


def ffmpeg_filter(rate: int) -> str:
    """Draws the clock into pictures as they pass; afterwards each has its place at ``rate``."""
    boxes = [f"drawbox=0:0:{WIDTH}:{2 * _HALF}:black:fill"]
    for bit in range(BITS):
        # Time is the wall clock's, in seconds, as the first filter sets it.
        value = f"mod(floor(t*1000/{2 ** (BITS - 1 - bit)}),2)"
        where = f"{_COLUMN}:{_HALF}:white:fill"
        boxes.append(f"drawbox={bit * _COLUMN}:0:{where}:enable='{value}'")
        boxes.append(f"drawbox={bit * _COLUMN}:{_HALF}:{where}:enable='1-{value}'")
    clock = ",".join(boxes)
    return f"settb=1/1000,setpts=RTCTIME/1000,{clock},settb=1/{rate},setpts=N"


CANVAS: Final = f"""
function drawClock(context) {{
  const now = Date.now();
  context.fillStyle = '#000';
  context.fillRect(0, 0, {WIDTH}, {2 * _HALF});
  context.fillStyle = '#fff';
  for (let bit = 0; bit < {BITS}; bit++) {{
    const one = Math.floor(now / 2 ** ({BITS} - 1 - bit)) % 2;
    context.fillRect(bit * {_COLUMN}, one ? 0 : {_HALF}, {_COLUMN}, {_HALF});
  }}
}}
"""
"""Draws the same in a browser."""

READER: Final = f"""
const strip = document.createElement('canvas');
strip.width = {BITS * 10};
strip.height = 20;
const ink = strip.getContext('2d', {{ willReadFrequently: true }});
function clockOf(video) {{
  const width = video.videoWidth * {_COLUMN * BITS / WIDTH}, height = video.videoHeight / {_PART};
  ink.drawImage(video, 0, 0, width, height, 0, 0, strip.width, strip.height);
  const pixels = ink.getImageData(0, 0, strip.width, strip.height).data;
  const light = (x, y) => pixels[(y * strip.width + x) * 4 + 1];
  let value = 0;
  for (let bit = 0; bit < {BITS}; bit++) {{
    const difference = light(bit * 10 + 5, 4) - light(bit * 10 + 5, 15);
    if (Math.abs(difference) < 60) return null;
    value = value * 2 + (difference > 0 ? 1 : 0);
  }}
  return value;
}}
function ageOf(video) {{
  const shown = clockOf(video);
  if (shown === null) return null;
  return (Date.now() - shown) % 2 ** {BITS} / 1000;
}}
"""
"""Reads it from a video element: ``ageOf`` is the picture's age in seconds."""
