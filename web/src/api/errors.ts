/** What the API says when it refuses, in one shape whatever went wrong. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    /** HTTP status; 0 when no answer came at all. */
    readonly status: number,
    /** Stable machine code of the API, or `network` / `malformed` for our own. */
    readonly type: string,
    message: string,
    /** Seconds to wait, from Retry-After. */
    readonly retryAfter: number | null = null,
    readonly traceId: string | null = null,
    readonly details: readonly unknown[] = [],
  ) {
    super(message);
  }

  get isNetwork(): boolean {
    return this.type === 'network';
  }

  /** Whether trying the same request again may help. */
  get isTemporary(): boolean {
    return this.isNetwork || this.status === 429 || this.status >= 500;
  }
}

export function networkError(): ApiError {
  return new ApiError(
    0,
    'network',
    'Cinelog can’t be reached. Check your connection and try again.',
  );
}

interface Failure {
  code?: unknown;
  message?: unknown;
  type?: unknown;
  details?: unknown;
  trace_id?: unknown;
}

/** Reads the failure envelope; copes with answers that are not one (a proxy's own page). */
export function errorFromBody(
  status: number,
  body: unknown,
  retryAfter: string | null = null,
): ApiError {
  const failure: Failure = isRecord(body) && isRecord(body['error']) ? body['error'] : {};
  return new ApiError(
    status,
    typeof failure.type === 'string' ? failure.type : 'unknown',
    messageFor(status, typeof failure.message === 'string' ? failure.message : ''),
    parseRetryAfter(retryAfter),
    typeof failure.trace_id === 'string' ? failure.trace_id : null,
    Array.isArray(failure.details) ? failure.details : [],
  );
}

/** Any thrown value as an ApiError, so that screens have one thing to show. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof TypeError) return networkError();
  return new ApiError(0, 'unknown', 'Something went wrong. Try again in a moment.');
}

function messageFor(status: number, message: string): string {
  if (status === 429) return 'That was a little too fast. Wait a moment and try again.';
  if (status === 502 || status === 503 || status === 504) {
    return 'Cinelog is briefly unavailable. Try again in a moment.';
  }
  return message || (status >= 500 ? 'Something went wrong on our side.' : 'That did not work.');
}

function parseRetryAfter(header: string | null): number | null {
  const seconds = Number(header);
  return header !== null && Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
