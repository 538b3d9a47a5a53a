import type { SessionStore } from './session';

/**
 * `fetch` that carries the session's token and, when the server calls the token stale, refreshes
 * it once and repeats the request.
 */
export function authFetch(store: SessionStore): (request: Request) => Promise<Response> {
  return async (request) => {
    const token = await store.accessToken();
    const again = token ? request.clone() : null;
    const response = await fetch(withToken(request, token));
    if (response.status !== 401 || !token || !again) return response;
    const fresh = await store.refresh(token);
    return fresh ? fetch(withToken(again, fresh)) : response;
  };
}

function withToken(request: Request, token: string | null): Request {
  if (token) request.headers.set('Authorization', `Bearer ${token}`);
  return request;
}
