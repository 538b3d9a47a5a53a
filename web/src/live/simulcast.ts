import { api, done, unwrap } from '../api/client';
import type { SimulcastTarget } from '../api/models';

const path = (streamId: string) => ({ params: { path: { live_id: streamId } } });

const one = (streamId: string, targetId: string) => ({
  params: { path: { live_id: streamId, target_id: targetId } },
});

export async function targetsOf(streamId: string): Promise<SimulcastTarget[]> {
  return unwrap(api.GET('/api/v1/live/streams/{live_id}/simulcast-targets', path(streamId)));
}

/** With the same key it is the target that the first request made. */
export async function addTarget(streamId: string, url: string, streamKey: string, key: string) {
  return unwrap(
    api.POST('/api/v1/live/streams/{live_id}/simulcast-targets', {
      params: { path: { live_id: streamId }, header: { 'idempotency-key': key } },
      body: { url, stream_key: streamKey, name: '' },
    }),
  );
}

export async function switchTarget(streamId: string, targetId: string, enabled: boolean) {
  return unwrap(
    api.PATCH('/api/v1/live/streams/{live_id}/simulcast-targets/{target_id}', {
      ...one(streamId, targetId),
      body: { enabled },
    }),
  );
}

export async function deleteTarget(streamId: string, targetId: string): Promise<void> {
  await done(
    api.DELETE(
      '/api/v1/live/streams/{live_id}/simulcast-targets/{target_id}',
      one(streamId, targetId),
    ),
  );
}

const WORDS: Record<SimulcastTarget['state'], string> = {
  idle: 'Waits for the live',
  starting: 'Connecting',
  broadcasting: 'Sending',
  retrying: 'Connecting again',
  errored: 'Given up',
  disabled: 'Off',
};

/** How a target is doing, and why it was lost. */
export function targetWords(target: SimulcastTarget): string {
  const lost = target.dropped > 0 ? ` It was too slow for ${target.dropped} frames.` : '';
  const reason = target.error === null ? '' : ` ${target.error}`;
  return `${WORDS[target.state]}.${reason}${target.state === 'broadcasting' ? lost : ''}`;
}
