import { networkError } from '../api/errors';

export interface Answer {
  status: number;
  body: unknown;
  /** The Upload-Offset header. */
  offset: string | null;
  retryAfter: string | null;
}

interface Options {
  headers: Record<string, string>;
  signal: AbortSignal;
  onProgress: (sentBytes: number) => void;
}

/** A PATCH by XMLHttpRequest, because fetch tells nothing about the progress of a request's body. */
export function sendBytes(
  path: string,
  bytes: Blob,
  { headers, signal, onProgress }: Options,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal.addEventListener('abort', abort);
    request.onloadend = () => signal.removeEventListener('abort', abort);

    request.open('PATCH', path);
    request.responseType = 'json';
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () =>
      resolve({
        status: request.status,
        body: request.response as unknown,
        offset: request.getResponseHeader('Upload-Offset'),
        retryAfter: request.getResponseHeader('Retry-After'),
      });
    request.onerror = () => reject(networkError());
    request.onabort = () => reject(new DOMException('The upload was cancelled.', 'AbortError'));
    request.send(bytes);
  });
}
