"""Identifiers: time-ordered UUIDs (RFC 9562, version 7) and stream names."""

import secrets
import time
from typing import Literal
from uuid import UUID

Category = Literal["user", "upload", "transcode", "live", "livesession", "video"]


def uuid7() -> UUID:
    """A new UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = secrets.randbits(74)
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= (random_bits >> 62) << 64
    value |= 0b10 << 62
    value |= random_bits & ((1 << 62) - 1)
    return UUID(int=value)


def new_id() -> str:
    """A new id for a user, a video or a session, as text."""
    return str(uuid7())


def stream_id(category: Category, entity_id: str) -> str:
    """The name of the stream that holds one entity's events, e.g. ``video-0192…``."""
    return f"{category}-{entity_id}"


def category_of(stream: str) -> str:
    """The category of a stream: the part of its name before the first hyphen."""
    return stream.partition("-")[0]


def entity_of(stream: str) -> str:
    """The entity's id: the part of a stream's name after the first hyphen."""
    return stream.partition("-")[2]
