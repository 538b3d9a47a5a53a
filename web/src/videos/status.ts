import type { Video } from '../api/models';

/** Whether there is something to press play on: the playlist's address appears with it. */
export function isReady(video: Video): boolean {
  return video.video !== '';
}

export function isFinished(video: Video): boolean {
  return video.status === undefined || video.status === 'completed';
}

export function statusLabel(video: Video): string {
  switch (video.status) {
    case 'failed':
      return 'Failed';
    case 'pending':
      return 'Waiting';
    default:
      return 'Processing';
  }
}
