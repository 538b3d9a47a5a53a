import { ApiError, errorFromBody } from '../api/errors';
import { authFetch } from '../auth/authFetch';
import { session } from '../auth/session';
import { backoff } from './backoff';
import { ELSEWHERE, type UploadDetails } from './machine';
import { type Answer, sendBytes } from './sendBytes';
import {
  describe,
  detailsOf,
  idOf,
  isOf,
  locationOf,
  type OpenUpload,
  openUploads,
  UPLOADS,
} from './unfinished';

export interface SendOptions {
  /** The same key twice is the same upload: trying again goes on where it stopped. */
  idempotencyKey: string;
  /** Where an earlier try has stored bytes. */
  location: string | null;
  /** Whether the server may have bytes of this file that this page does not know of. */
  mayBeKnown: boolean;
  /** Uploads that other files of this page go to. */
  taken: ReadonlySet<string>;
  /** Stops the bytes; what has arrived stays. */
  signal: AbortSignal;
  /** The bytes have a place, with what was said of the file there before. */
  onLocated: (location: string, details: UploadDetails | null) => void;
  onProgress: (sentBytes: number) => void;
  /** The connection is gone; the upload goes on by itself when it comes back. */
  onStalled: () => void;
  /** What the video is to be, or null while nobody has said that it is to be uploaded. */
  submitted: () => UploadDetails | null;
}

/**
 * Sends one file; resolves with the id of its job, which is the upload's and the video's too, or
 * with null where all but the end has arrived and the person has not said what the video is.
 */
export type Transport = (
  file: File,
  details: UploadDetails,
  options: SendOptions,
) => Promise<string | null>;

const TUS = { 'Tus-Resumable': '1.0.0' } as const;
/** Enough for the server to see whether it is a video before the rest is sent. */
const FIRST_PART_BYTES = 256 * 1024;
/** Parts keep the token fresh and cost little when one has to be sent again. */
const PART_BYTES = 64 * 1024 * 1024;
/** The end that is not sent before it is known what the video is: the last byte makes it one. */
const END_BYTES = 16 * 1024;
const MAX_FAILURES_IN_A_ROW = 6;

const request = authFetch(session);

/** A tus 1.0.0 upload (https://tus.io/protocols/resumable-upload): it survives a lost connection. */
export const sendFile: Transport = async (file, details, options) => {
  const location = options.location ?? (await locate(file, details, options));
  return alone(location, async () => {
    const begun = Math.max(0, file.size - END_BYTES);
    const reached = await sendUntil(begun, location, file, options);
    // An earlier try sent everything, and its answer was lost.
    if (reached >= file.size) return idOf(location);
    const said = options.submitted();
    if (said === null) return null;
    await persistently(options, () => describe(location, said, options.signal));
    await sendUntil(file.size, location, file, options);
    return idOf(location);
  });
};

/** The upload of this file that the server has, or a new one. */
async function locate(file: File, details: UploadDetails, options: SendOptions): Promise<string> {
  const known = options.mayBeKnown ? await persistently(options, () => find(file, options)) : null;
  const location =
    known === null
      ? await persistently(options, () => create(file, details, options))
      : locationOf(known.id);
  options.onLocated(location, known === null ? null : detailsOf(known, details));
  return location;
}

async function find(file: File, { signal, taken }: SendOptions): Promise<OpenUpload | null> {
  const uploads = await openUploads(signal);
  return uploads.find((one) => isOf(one, file) && !taken.has(locationOf(one.id))) ?? null;
}

/** Runs a task unless another tab of this browser sends the same upload. */
async function alone<T>(location: string, task: () => Promise<T>): Promise<T> {
  // Pages without TLS have no locks; the server then lets the newest writer win.
  if (!('locks' in navigator)) return task();
  return navigator.locks.request(location, { ifAvailable: true }, (lock) => {
    if (lock === null)
      throw new ApiError(409, ELSEWHERE, 'Another tab is uploading this file already.');
    return task();
  });
}

/** Sends what the server does not have of the first `until` bytes; resolves with what it has. */
async function sendUntil(
  until: number,
  location: string,
  file: File,
  options: SendOptions,
): Promise<number> {
  let offset = await persistently(options, () => offsetOf(location, options.signal));
  options.onProgress(offset);
  while (offset < until) {
    let lost = false;
    const start = offset;
    offset = await persistently(options, async () => {
      // After a failure only the server knows how much of the part has arrived.
      const from = lost ? await offsetOf(location, options.signal) : start;
      lost = true;
      return from < until ? sendPart(location, file, from, until, options) : from;
    });
  }
  return offset;
}

/** Tries again while the trouble looks temporary, with growing pauses; without end offline. */
async function persistently<T>(
  { signal, onStalled }: SendOptions,
  task: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await task();
    } catch (error) {
      signal.throwIfAborted();
      const offline = error instanceof TypeError || (error instanceof ApiError && error.isNetwork);
      const enough = !offline && failures > MAX_FAILURES_IN_A_ROW;
      if (!isPassing(error) || enough) throw error;
      onStalled();
      await backoff(failures, error instanceof ApiError ? error.retryAfter : null, signal);
    }
  }
}

/** fetch reports a lost connection as a TypeError; a conflict means that our offset was stale. */
function isPassing(error: unknown): boolean {
  if (error instanceof ApiError)
    return error.isTemporary || (error.status === 409 && error.type !== 'upload_closed');
  return error instanceof TypeError;
}

async function create(
  file: File,
  details: UploadDetails,
  { idempotencyKey, signal }: SendOptions,
): Promise<string> {
  const response = await request(
    new Request(absolute(UPLOADS), {
      method: 'POST',
      headers: {
        ...TUS,
        'Upload-Length': String(file.size),
        'Upload-Metadata': uploadMetadata(file, details),
        'Idempotency-Key': idempotencyKey,
      },
      signal,
    }),
  );
  const location = response.headers.get('Location');
  if (!response.ok || location === null) throw await failure(response);
  return new URL(location, window.location.origin).pathname;
}

async function offsetOf(location: string, signal: AbortSignal): Promise<number> {
  const response = await request(
    new Request(absolute(location), { method: 'HEAD', headers: TUS, signal }),
  );
  if (!response.ok) throw await failure(response);
  return parseOffset(response.headers.get('Upload-Offset'), response.status);
}

async function sendPart(
  location: string,
  file: File,
  offset: number,
  until: number,
  { signal, onProgress }: SendOptions,
): Promise<number> {
  const end = Math.min(until, offset + (offset === 0 ? FIRST_PART_BYTES : PART_BYTES));
  const send = (token: string | null) =>
    sendBytes(location, file.slice(offset, end), {
      headers: {
        ...TUS,
        'Content-Type': 'application/offset+octet-stream',
        'Upload-Offset': String(offset),
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      },
      signal,
      onProgress: (sent) => onProgress(offset + sent),
    });
  const token = await session.accessToken();
  let answer = await send(token);
  if (answer.status === 401 && token !== null) answer = await send(await session.refresh(token));
  if (answer.status >= 300) throw errorFromBody(answer.status, answer.body, answer.retryAfter);
  const reached = parseOffset(answer.offset, answer.status);
  onProgress(reached);
  return reached;
}

/** `key base64(value)` pairs; empty values are left out. */
export function uploadMetadata(file: File, details: UploadDetails): string {
  const values: Record<string, string> = {
    title: details.title,
    description: details.description,
    tags: details.tags.join(','),
    visibility: details.visibility ?? '',
    publish_at: details.publishAt ?? '',
    hdr: details.keepHdr ? 'keep' : '',
    filename: file.name,
    filetype: file.type,
    lastModified: String(file.lastModified),
  };
  return Object.entries(values)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key} ${base64(value)}`)
    .join(',');
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

function parseOffset(header: Answer['offset'], status: number): number {
  const offset = Number(header ?? 'NaN');
  if (!Number.isSafeInteger(offset)) throw errorFromBody(status, null);
  return offset;
}

async function failure(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  return errorFromBody(response.status, body, response.headers.get('Retry-After'));
}

function absolute(path: string): string {
  return new URL(path, window.location.origin).href;
}
