import createClient from 'openapi-fetch';

import { authFetch } from '../auth/authFetch';
import { session } from '../auth/session';
import { errorFromBody, networkError } from './errors';
import type { paths } from './schema';

/** Typed by the OpenAPI document; every call carries the session's token. */
export const api = createClient<paths>({
  baseUrl: window.location.origin,
  fetch: authFetch(session),
});

/** The same without a session: sign-in must not be tangled up in an old one. */
export const publicApi = createClient<paths>({
  baseUrl: window.location.origin,
  fetch: (request) => fetch(request),
});

interface Answer<T> {
  data?: { data?: T };
  error?: unknown;
  response: Response;
}

/** Takes the envelope off, or throws the ApiError that it carries. */
export async function unwrap<T>(call: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (error) {
    if (error instanceof TypeError) throw networkError();
    throw error;
  }
  const { response, data } = answer;
  if (!response.ok || data === undefined) {
    throw errorFromBody(response.status, answer.error, response.headers.get('Retry-After'));
  }
  return data.data as T;
}
