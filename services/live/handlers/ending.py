"""How a session ends: its last event, and the stream's being free for the next one."""

from services.live.domain.session import End, LiveSession
from services.live.domain.stream import CloseSession
from services.live.handlers.live_events import LiveEvents
from services.live.row_ports import SessionRows


async def end_session(
    events: LiveEvents, sessions: SessionRows, video_id: str, user_id: str, reason: str
) -> LiveSession:
    """End a session, and have its publisher closed. May be repeated."""
    row = await sessions.get(video_id)
    end = End(reason) if row is None else End(reason, row.peak_viewers, row.total_viewers)
    session = await events.decide_session(video_id, end, user_id)
    await sessions.close_publisher(video_id, reason)
    await close_session(events, sessions, video_id, user_id)
    return session


async def close_session(
    events: LiveEvents, sessions: SessionRows, video_id: str, user_id: str
) -> None:
    """If a session has ended, its stream may open another one. May be repeated."""
    session = await events.session(video_id)
    if session.phase not in {"ended", "recorded"}:
        return
    await events.decide_stream(session.live_id, CloseSession(video_id), user_id)
    row = await sessions.get(video_id)
    if row is not None and row.phase == "open":
        if session.end_reason is not None and row.closing != session.end_reason:
            await sessions.close_publisher(video_id, session.end_reason)
        await sessions.set_phase(video_id, "ended")
