import { errorFromBody, networkError } from '../api/errors';
import { session } from '../auth/session';
import type { UploadDetails } from './machine';

export interface SendOptions {
  /** The same key twice is the same upload: a retry after a lost answer makes no second video. */
  idempotencyKey: string;
  signal: AbortSignal;
  onProgress: (sentBytes: number, totalBytes: number) => void;
}

/** Sends one file; resolves with the id of its job. */
export type Transport = (
  file: File,
  details: UploadDetails,
  options: SendOptions,
) => Promise<string>;

const UPLOAD_PATH = '/api/v1/streaming/upload';

export const sendFile: Transport = async (file, details, options) => {
  const token = await session.accessToken();
  const first = await post(file, details, options, token);
  if (first.status !== 401 || token === null) return jobIdFrom(first);
  const fresh = await session.refresh(token);
  return jobIdFrom(await post(file, details, options, fresh));
};

interface Answer {
  status: number;
  body: unknown;
  retryAfter: string | null;
}

/** XMLHttpRequest, because fetch tells nothing about the progress of a request's body. */
function post(
  file: File,
  details: UploadDetails,
  { idempotencyKey, signal, onProgress }: SendOptions,
  token: string | null,
): Promise<Answer> {
  const form = new FormData();
  form.set('title', details.title);
  form.set('description', details.description);
  // Last, so that the server knows everything else before the bytes begin.
  form.set('video', file, file.name);

  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const settle = () => signal.removeEventListener('abort', abort);
    signal.throwIfAborted();
    signal.addEventListener('abort', abort);

    request.open('POST', UPLOAD_PATH);
    request.responseType = 'json';
    request.setRequestHeader('Idempotency-Key', idempotencyKey);
    if (token !== null) request.setRequestHeader('Authorization', `Bearer ${token}`);
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => {
      settle();
      resolve({
        status: request.status,
        body: request.response as unknown,
        retryAfter: request.getResponseHeader('Retry-After'),
      });
    };
    request.onerror = () => {
      settle();
      reject(networkError());
    };
    request.onabort = () => {
      settle();
      reject(new DOMException('The upload was cancelled.', 'AbortError'));
    };
    request.send(form);
  });
}

function jobIdFrom({ status, body, retryAfter }: Answer): string {
  const jobId = (body as { data?: { job_id?: unknown } } | null)?.data?.job_id;
  if (status !== 202 || typeof jobId !== 'string') throw errorFromBody(status, body, retryAfter);
  return jobId;
}
