import { api, done, unwrap } from '../api/client';
import type { LiveStream, Visibility } from '../api/models';

/** A live whose streamer is away for longer has ended. */
const RECONNECT_SECONDS = 60;

/** Nobody but its owner sees a live of somebody whose videos begin as drafts. */
export function liveVisibility(visibility: Visibility): LiveStream['visibility'] {
  return visibility === 'draft' ? 'private' : visibility;
}

const path = (id: string) => ({ params: { path: { live_id: id } } });

/** With the same key it is the stream that the first request made. */
export async function createStream(
  title: string,
  visibility: LiveStream['visibility'],
  key: string,
) {
  return unwrap(
    api.POST('/api/v1/live/streams', {
      params: { header: { 'idempotency-key': key } },
      body: {
        title,
        visibility,
        description: '',
        latency: 'low',
        record: true,
        reconnect_seconds: RECONNECT_SECONDS,
        chat: true,
      },
    }),
  );
}

/** The stream as it is now, not as it was some seconds ago. */
export async function readStream(id: string) {
  return unwrap(api.GET('/api/v1/live/streams/{live_id}', path(id)));
}

export async function rotateKey(id: string) {
  return unwrap(api.POST('/api/v1/live/streams/{live_id}/key', path(id)));
}

export async function endLive(id: string) {
  return unwrap(api.POST('/api/v1/live/streams/{live_id}/complete', path(id)));
}

export async function setEnabled(id: string, enabled: boolean) {
  return enabled
    ? unwrap(api.POST('/api/v1/live/streams/{live_id}/enable', path(id)))
    : unwrap(api.POST('/api/v1/live/streams/{live_id}/disable', path(id)));
}

export async function setChat(id: string, chat: boolean) {
  return unwrap(api.PATCH('/api/v1/live/streams/{live_id}', { ...path(id), body: { chat } }));
}

/** When the next live begins; null: that is not known any more. */
export async function setSchedule(id: string, scheduledAt: string | null) {
  return unwrap(
    api.PATCH('/api/v1/live/streams/{live_id}', {
      ...path(id),
      body: { scheduled_at: scheduledAt },
    }),
  );
}

export async function deleteStream(id: string): Promise<void> {
  await done(api.DELETE('/api/v1/live/streams/{live_id}', path(id)));
}
