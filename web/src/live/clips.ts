import { api, unwrap } from '../api/client';
import type { Clip } from '../api/models';

const POLL_MS = 1_500;
const PATIENCE_MS = 45_000;

/** Ask for a clip of the last seconds of a live, by the id of its video; once for each key. */
export async function clipLive(videoId: string, seconds: number, key: string): Promise<Clip> {
  return unwrap(
    api.POST('/api/v1/live/videos/{video_id}/clips', {
      params: {
        path: { video_id: videoId },
        header: { 'idempotency-key': key },
      },
      body: { seconds },
    }),
  );
}

/** The clip once it is made or refused, or as it is after a while, or when nobody waits any more. */
export async function clipState(asked: Clip, left: AbortSignal): Promise<Clip> {
  const until = Date.now() + PATIENCE_MS;
  let clip = asked;
  while (clip.state === 'waiting' && Date.now() < until) {
    await pause(POLL_MS, left);
    if (left.aborted) break;
    clip = await unwrap(
      api.GET('/api/v1/live/clips/{video_id}', { params: { path: { video_id: clip.video_id } } }),
    );
  }
  return clip;
}

function pause(ms: number, left: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    left.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

export async function clipsOf(streamId: string): Promise<Clip[]> {
  return unwrap(
    api.GET('/api/v1/live/streams/{live_id}/clips', { params: { path: { live_id: streamId } } }),
  );
}

export async function setClipsBy(streamId: string, clips_by: 'owner' | 'everyone') {
  return unwrap(
    api.PATCH('/api/v1/live/streams/{live_id}', {
      params: { path: { live_id: streamId } },
      body: { clips_by },
    }),
  );
}
