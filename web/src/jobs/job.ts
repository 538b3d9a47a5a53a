import type { Job } from '../api/models';

export function isTerminal(job: Job): boolean {
  return job.status === 'completed' || job.status === 'failed';
}

/** 0–100; a completed job is at 100 whatever its last report said. */
export function jobPercent(job: Job): number {
  if (job.status === 'completed') return 100;
  return Math.min(100, Math.max(0, job.progress));
}

export function jobHeadline(job: Job): string {
  switch (job.status) {
    case 'pending':
      return 'Waiting for a free worker';
    case 'processing':
      return job.playable ? 'Ready to watch, more quality on its way' : 'Preparing for playback';
    case 'completed':
      return 'Ready';
    case 'failed':
      return 'Processing failed';
  }
}
