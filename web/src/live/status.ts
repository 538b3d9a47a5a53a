import type { LiveStream } from '../api/models';

const WORDS: Record<LiveStream['status'], string> = {
  idle: 'Not live',
  active: 'Live now',
  disconnected: 'Waiting for you to reconnect',
  disabled: 'Disabled',
};

export function streamStatus(stream: LiveStream): string {
  return WORDS[stream.status];
}

/** Whether there is a live, even if its streamer is away for a moment. */
export function isLive(stream: LiveStream): boolean {
  return stream.status === 'active' || stream.status === 'disconnected';
}
