import createClient from 'openapi-fetch';

import { authFetch } from '../auth/authFetch';
import { session } from '../auth/session';
import { type ApiError, errorFromBody, networkError } from './errors';
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
  const { response, data, error } = await answered(call);
  if (!response.ok || data === undefined) throw failed(response, error);
  return data.data as T;
}

/** For calls that are answered without a body. Throws the ApiError that a failure carries. */
export async function done(call: Promise<Omit<Answer<never>, 'data'>>): Promise<void> {
  const { response, error } = await answered(call);
  if (!response.ok) throw failed(response, error);
}

async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof TypeError) throw networkError();
    throw error;
  }
}

function failed(response: Response, error: unknown): ApiError {
  return errorFromBody(response.status, error, response.headers.get('Retry-After'));
}
