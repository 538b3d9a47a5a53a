import type { LiveStreamWithKey } from '../api/models';

/** What the server says once: it keeps nothing by which it could say it again. */
export type StreamSecrets = Pick<
  LiveStreamWithKey,
  'stream_key' | 'srt_stream_id' | 'srt_passphrase'
>;

const secrets = new Map<string, StreamSecrets>();

export function keepSecrets(stream: LiveStreamWithKey): void {
  secrets.set(stream.id, stream);
}

/** Null unless the key was made since the page was loaded. */
export function keptSecrets(streamId: string): StreamSecrets | null {
  return secrets.get(streamId) ?? null;
}
