import { ApiError, errorFromBody } from '../api/errors';
import { authFetch } from '../auth/authFetch';
import { session } from '../auth/session';
import type { UploadDetails } from './machine';
import { backoff } from './backoff';
import { type Answer, sendBytes } from './sendBytes';

export interface SendOptions {
  /** The same key twice is the same upload: trying again goes on where it stopped. */
  idempotencyKey: string;
  signal: AbortSignal;
  onProgress: (sentBytes: number) => void;
  /** The connection is gone; the upload goes on by itself when it comes back. */
  onStalled: () => void;
}

/** Sends one file; resolves with the id of its job, which is the upload's and the video's too. */
export type Transport = (
  file: File,
  details: UploadDetails,
  options: SendOptions,
) => Promise<string>;

const UPLOADS = '/api/v1/uploads';
const TUS = { 'Tus-Resumable': '1.0.0' } as const;
/** Enough for the server to see whether it is a video before the rest is sent. */
const FIRST_PART_BYTES = 256 * 1024;
/** Parts keep the token fresh and cost little when one has to be sent again. */
const PART_BYTES = 64 * 1024 * 1024;
const MAX_FAILURES_IN_A_ROW = 6;

const request = authFetch(session);

/** A tus 1.0.0 upload (https://tus.io/protocols/resumable-upload): it survives a lost connection. */
export const sendFile: Transport = async (file, details, options) => {
  const location = await persistently(options, () => create(file, details, options));
  const abandon = () => void terminate(location);
  options.signal.addEventListener('abort', abandon, { once: true });
  try {
    let offset = await persistently(options, () => offsetOf(location, options.signal));
    while (offset < file.size) {
      let lost = false;
      const start = offset;
      offset = await persistently(options, async () => {
        // After a failure only the server knows how much of the part has arrived.
        const from = lost ? await offsetOf(location, options.signal) : start;
        lost = true;
        return from < file.size ? sendPart(location, file, from, options) : from;
      });
    }
  } finally {
    options.signal.removeEventListener('abort', abandon);
  }
  return location.slice(location.lastIndexOf('/') + 1);
};

/** Tries again while the trouble looks temporary, with growing pauses. */
async function persistently<T>(
  { signal, onStalled }: SendOptions,
  task: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await task();
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error) || failures > MAX_FAILURES_IN_A_ROW) throw error;
      onStalled();
      await backoff(failures, error instanceof ApiError ? error.retryAfter : null, signal);
    }
  }
}

/** fetch reports a lost connection as a TypeError; a conflict means that our offset was stale. */
function isPassing(error: unknown): boolean {
  if (error instanceof ApiError) return error.isTemporary || error.status === 409;
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
  { signal, onProgress }: SendOptions,
): Promise<number> {
  const length = offset === 0 ? FIRST_PART_BYTES : PART_BYTES;
  const send = (token: string | null) =>
    sendBytes(location, file.slice(offset, offset + length), {
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

/** Tells the server to forget the bytes; if it can't be told, the upload expires by itself. */
async function terminate(location: string): Promise<void> {
  await request(new Request(absolute(location), { method: 'DELETE', headers: TUS })).catch(
    () => undefined,
  );
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
