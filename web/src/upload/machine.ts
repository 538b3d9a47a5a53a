import type { ApiError } from '../api/errors';
import type { Visibility } from '../api/models';

export interface UploadDetails {
  title: string;
  description: string;
  tags: readonly string[];
  /** null: what the account says that its uploads are. */
  visibility: Visibility | null;
  /** When a draft becomes public by itself, in ISO 8601. */
  publishAt: string | null;
  /** Versions for HDR screens are wanted beside those for all others. */
  keepHdr: boolean;
}

/** Where one file is on its way; what happens after `sent` is the job's story, not ours. */
export type UploadState =
  | { phase: 'draft' }
  | { phase: 'queued' }
  | { phase: 'sending'; sentBytes: number; bytesPerSecond: number; stalled: boolean }
  | { phase: 'sent'; jobId: string }
  | { phase: 'failed'; message: string; retryable: boolean };

export interface UploadItem {
  id: string;
  file: File;
  details: UploadDetails;
  state: UploadState;
  /** Grows when the server refused an attempt, so that the next one is a new request to it. */
  attempt: number;
}

export type UploadEvent =
  | { type: 'edited'; details: UploadDetails }
  | { type: 'submitted' }
  | { type: 'started' }
  | { type: 'progressed'; sentBytes: number; bytesPerSecond: number }
  | { type: 'stalled' }
  | { type: 'delivered'; jobId: string }
  | { type: 'failed'; error: ApiError };

/** The item after the event; events that make no sense in its phase leave it as it is. */
export function advance(item: UploadItem, event: UploadEvent): UploadItem {
  const { phase } = item.state;
  switch (event.type) {
    case 'edited':
      return phase === 'draft' ? { ...item, details: event.details } : item;
    case 'submitted':
      return phase === 'draft' || (item.state.phase === 'failed' && item.state.retryable)
        ? { ...item, state: { phase: 'queued' } }
        : item;
    case 'started':
      return phase === 'queued'
        ? {
            ...item,
            state: {
              phase: 'sending',
              sentBytes: 0,
              bytesPerSecond: 0,
              stalled: false,
            },
          }
        : item;
    case 'progressed': {
      const { sentBytes, bytesPerSecond } = event;
      return phase === 'sending'
        ? { ...item, state: { phase, sentBytes, bytesPerSecond, stalled: false } }
        : item;
    }
    case 'stalled':
      return item.state.phase === 'sending'
        ? { ...item, state: { ...item.state, stalled: true, bytesPerSecond: 0 } }
        : item;
    case 'delivered':
      return phase === 'sending' ? { ...item, state: { phase: 'sent', jobId: event.jobId } } : item;
    case 'failed':
      return phase === 'sending' ? failed(item, event.error) : item;
  }
}

/** No longer logged in, expired, or taken over elsewhere: a fresh start can help. */
const RETRYABLE: ReadonlySet<number> = new Set([401, 404, 409, 410]);

function failed(item: UploadItem, error: ApiError): UploadItem {
  const quota = error.type === 'quota_exceeded';
  const message = error.isNetwork
    ? 'The connection is gone. What has arrived is kept: try again to go on from there.'
    : error.status === 413
      ? 'This file is larger than this site accepts.'
      : quota
        ? quotaMessage(error)
        : error.message;
  return {
    ...item,
    attempt: error.isTemporary ? item.attempt : item.attempt + 1,
    state: {
      phase: 'failed',
      message,
      retryable: error.isTemporary || quota || RETRYABLE.has(error.status),
    },
  };
}

/** What is used and allowed, in the server's words, and what helps. */
function quotaMessage(error: ApiError): string {
  const shares = error.details
    .map((detail) => (detail as { message?: unknown }).message)
    .filter((share) => typeof share === 'string');
  const numbers = shares.length > 0 ? ` (${shares.join('; ')})` : '';
  const said = error.message.replace(/\.$/, '');
  return `${said}${numbers}. Delete videos that you no longer need, then try again.`;
}

/** Percent of the bytes sent, 0–100. */
export function sentPercent({ state, file }: UploadItem): number {
  if (state.phase === 'sent') return 100;
  if (state.phase !== 'sending') return 0;
  return Math.min(100, (state.sentBytes / file.size) * 100);
}

/** Whether leaving the site now would lose something. */
export function isUnfinished(item: UploadItem): boolean {
  return item.state.phase === 'queued' || item.state.phase === 'sending';
}
