import type { ApiError } from '../api/errors';
import type { Visibility } from '../api/models';
import { titleFromName } from './files';

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
  /** What was said elsewhere, such as through the API, and is not asked here. */
  unasked?: Readonly<Record<string, unknown>>;
}

/**
 * Where the bytes of one file are on their way; what happens after `sent` is the job's story, not
 * ours. They start before the person has said what the video is: `waiting` has all but the end.
 */
export type UploadState =
  | { phase: 'queued'; sentBytes: number }
  | { phase: 'sending'; sentBytes: number; bytesPerSecond: number; stalled: boolean }
  | { phase: 'paused'; sentBytes: number }
  | { phase: 'waiting'; sentBytes: number }
  | { phase: 'sent'; jobId: string }
  | { phase: 'failed'; message: string; retryable: boolean };

export interface UploadItem {
  id: string;
  file: File;
  details: UploadDetails;
  /** The person has said what the video is, and that it is to be uploaded. */
  submitted: boolean;
  state: UploadState;
  /** The server's resource that has what has arrived. */
  location: string | null;
  /** Grows when the server refused an attempt, so that the next one is a new request to it. */
  attempt: number;
}

export type UploadEvent =
  | { type: 'edited'; details: UploadDetails }
  | { type: 'submitted' }
  | { type: 'started' }
  | { type: 'located'; location: string; details: UploadDetails | null }
  | { type: 'progressed'; sentBytes: number; bytesPerSecond: number }
  | { type: 'stalled' }
  | { type: 'held' }
  | { type: 'paused' }
  | { type: 'resumed' }
  | { type: 'delivered'; jobId: string }
  | { type: 'failed'; error: ApiError };

/** The item after the event; events that make no sense in its phase leave it as it is. */
export function advance(item: UploadItem, event: UploadEvent): UploadItem {
  const { state } = item;
  switch (event.type) {
    case 'edited':
      return item.submitted ? item : { ...item, details: event.details };
    case 'submitted':
      return submitted(item);
    case 'started':
      return state.phase === 'queued'
        ? {
            ...item,
            state: {
              phase: 'sending',
              sentBytes: state.sentBytes,
              bytesPerSecond: 0,
              stalled: false,
            },
          }
        : item;
    case 'located':
      return {
        ...item,
        location: event.location,
        details: event.details !== null && isUntouched(item) ? event.details : item.details,
      };
    case 'progressed': {
      const { sentBytes, bytesPerSecond } = event;
      return state.phase === 'sending'
        ? { ...item, state: { ...state, sentBytes, bytesPerSecond, stalled: false } }
        : item;
    }
    case 'stalled':
      return state.phase === 'sending'
        ? { ...item, state: { ...state, stalled: true, bytesPerSecond: 0 } }
        : item;
    case 'held':
      return state.phase === 'sending'
        ? {
            ...item,
            state: { phase: item.submitted ? 'queued' : 'waiting', sentBytes: state.sentBytes },
          }
        : item;
    case 'paused':
      return state.phase === 'queued' || state.phase === 'sending'
        ? { ...item, state: { phase: 'paused', sentBytes: state.sentBytes } }
        : item;
    case 'resumed':
      return state.phase === 'paused' || (state.phase === 'failed' && state.retryable)
        ? { ...item, state: { phase: 'queued', sentBytes: sentBytes(item) } }
        : item;
    case 'delivered':
      return state.phase === 'sending'
        ? { ...item, state: { phase: 'sent', jobId: event.jobId } }
        : item;
    case 'failed':
      return state.phase === 'sending' ? failed(item, event.error) : item;
  }
}

export function newUpload(id: string, file: File): UploadItem {
  return {
    id,
    file,
    details: {
      title: titleFromName(file.name),
      description: '',
      tags: [],
      visibility: null,
      publishAt: null,
      keepHdr: false,
    },
    submitted: false,
    state: { phase: 'queued', sentBytes: 0 },
    location: null,
    attempt: 0,
  };
}

/** Whether nobody has said anything of the file yet; what was said of it before counts then. */
function isUntouched({ submitted, details, file }: UploadItem): boolean {
  const { title, description, tags } = details;
  return (
    !submitted && title === titleFromName(file.name) && description === '' && tags.length === 0
  );
}

function submitted(item: UploadItem): UploadItem {
  const { phase } = item.state;
  const goesOn = phase === 'waiting' || phase === 'paused';
  return {
    ...item,
    submitted: true,
    state: goesOn ? { phase: 'queued', sentBytes: sentBytes(item) } : item.state,
  };
}

/** No longer logged in, expired, or taken over elsewhere: a fresh start can help. */
const RETRYABLE: ReadonlySet<number> = new Set([401, 404, 409, 410]);
/** Another tab sends the same file: what it has sent is not to be sent again. */
export const ELSEWHERE = 'upload_elsewhere';

function failed(item: UploadItem, error: ApiError): UploadItem {
  const quota = error.type === 'quota_exceeded';
  const message = error.isNetwork
    ? 'The connection is gone. What has arrived is kept: try again to go on from there.'
    : error.status === 413
      ? 'This file is larger than this site accepts.'
      : quota
        ? quotaMessage(error)
        : error.message;
  const kept = error.isTemporary || error.type === ELSEWHERE;
  return {
    ...item,
    attempt: kept ? item.attempt : item.attempt + 1,
    location: kept ? item.location : null,
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
  return `${said}${numbers}. Delete videos that you no longer need, empty the bin, then try again.`;
}

/** Bytes that are known to have left. */
export function sentBytes({ state, file }: UploadItem): number {
  if (state.phase === 'sent') return file.size;
  return state.phase === 'failed' ? 0 : state.sentBytes;
}

/** Percent of the bytes sent, 0–100. */
export function sentPercent(item: UploadItem): number {
  return Math.min(100, (sentBytes(item) / item.file.size) * 100);
}

/** Whether leaving the site now would stop something. */
export function isUnfinished(item: UploadItem): boolean {
  return item.state.phase === 'queued' || item.state.phase === 'sending';
}
