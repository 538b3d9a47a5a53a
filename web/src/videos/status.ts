import type { Video } from '../api/models';

/** Whether there is something to press play on; that is before the video is finished. */
export function isReady(video: Video): boolean {
  return video.playable && video.video !== '';
}

/** Whether nothing is still to come: the list of qualities is there once all of them are. */
export function isFinished(video: Video): boolean {
  return video.status === 'ready' && video.renditions.length > 0;
}

export function statusLabel(video: Video): string {
  if (video.live) return 'Starting';
  return video.status === 'failed' ? 'Failed' : 'Processing';
}
