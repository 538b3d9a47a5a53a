import { describe, expect, it } from 'vitest';

import { unwrap } from '../src/api/client';
import { ApiError, errorFromBody, toApiError } from '../src/api/errors';
import { retryDelay } from '../src/api/queryClient';

describe('the failure envelope', () => {
  it('keeps what the API says to people and machines', () => {
    const error = errorFromBody(409, {
      success: false,
      error: {
        code: 409,
        message: 'This username is taken.',
        type: 'username_taken',
        details: [{ field: 'username' }],
        trace_id: 'abc',
      },
    });
    expect(error).toMatchObject({
      status: 409,
      type: 'username_taken',
      message: 'This username is taken.',
      traceId: 'abc',
      isTemporary: false,
    });
    expect(error.details).toEqual([{ field: 'username' }]);
  });

  it.each([null, 'a proxy’s page', { error: 'text' }, { error: { message: 7 } }])(
    'copes with %j',
    (body) => {
      expect(errorFromBody(500, body).message).toBe('Something went wrong on our side.');
    },
  );

  it('words outages and limits itself, and reads Retry-After', () => {
    const limited = errorFromBody(429, { error: { message: 'rate limited' } }, '7');
    expect(limited.message).toMatch(/too fast/);
    expect(limited.retryAfter).toBe(7);
    expect(limited.isTemporary).toBe(true);
    expect(errorFromBody(503, null, 'Wed, 21 Oct 2026 07:28:00 GMT').retryAfter).toBeNull();
  });
});

describe('anything thrown', () => {
  it('becomes an ApiError', () => {
    const known = new ApiError(404, 'x', 'Gone.');
    expect(toApiError(known)).toBe(known);
    expect(toApiError(new TypeError('Failed to fetch')).isNetwork).toBe(true);
    expect(toApiError('?')).toMatchObject({ type: 'unknown', isTemporary: false });
  });
});

describe('unwrap', () => {
  it('takes the envelope off', async () => {
    const answer = { data: { data: [1, 2] }, response: new Response() };
    await expect(unwrap(Promise.resolve(answer))).resolves.toEqual([1, 2]);
  });

  it('throws the failure', async () => {
    const response = new Response(null, { status: 403 });
    const error = { success: false, error: { message: 'Not yours.' } };
    await expect(unwrap(Promise.resolve({ error, response }))).rejects.toMatchObject({
      status: 403,
      message: 'Not yours.',
    });
  });

  it('tells a lost connection', async () => {
    await expect(unwrap(Promise.reject(new TypeError('Failed to fetch')))).rejects.toMatchObject({
      isNetwork: true,
    });
  });
});

describe('retryDelay', () => {
  it('waits as long as asked, else longer each time, never forever', () => {
    expect(retryDelay(0, new ApiError(429, 't', 'm', 5))).toBe(5_000);
    expect(retryDelay(0, new ApiError(503, 't', 'm'))).toBe(1_000);
    expect(retryDelay(2, new ApiError(503, 't', 'm'))).toBe(4_000);
    expect(retryDelay(0, new ApiError(503, 't', 'm', 9_999))).toBe(30_000);
  });
});
