import { api, publicApi, unwrap } from '../api/client';
import type { Visibility } from '../api/models';
import { session } from './session';

export async function logIn(username: string, password: string): Promise<void> {
  const tokens = await unwrap(
    publicApi.POST('/api/v1/auth/login', { body: { username, password, session_in: 'cookie' } }),
  );
  session.signIn({
    accessToken: tokens.access_token,
    username: tokens.user,
  });
}

export async function signUp(
  username: string,
  email: string,
  password: string,
  key: string,
): Promise<void> {
  const created = await unwrap(
    publicApi.POST('/api/v1/auth/register', {
      params: { header: { 'idempotency-key': key } },
      body: { username, email, password, session_in: 'cookie' },
    }),
  );
  session.signIn({
    accessToken: created.access_token,
    username: created.user.username,
  });
}

/** Ends the session here even if the server can't be told: the person asked to leave. */
export async function logOut(): Promise<void> {
  try {
    await unwrap(api.POST('/api/v1/auth/logout'));
  } finally {
    session.signOut();
  }
}

/** Without a password the server accepts only somebody who has just logged in. */
export async function changeEmail(email: string, password?: string): Promise<void> {
  const confirmation = password === undefined ? {} : { password };
  await unwrap(api.PATCH('/api/v1/users/email', { body: { email, ...confirmation } }));
}

/** Of uploads that say none. */
export async function changeDefaultVisibility(visibility: Visibility): Promise<void> {
  await unwrap(api.PATCH('/api/v1/users/me', { body: { default_visibility: visibility } }));
}

export async function changePassword(current: string, next: string): Promise<void> {
  await unwrap(
    api.PATCH('/api/v1/users/password', {
      body: { current_password: current, new_password: next },
    }),
  );
}

export async function endSession(sessionId: string): Promise<void> {
  await unwrap(
    api.DELETE('/api/v1/users/me/sessions/{session_id}', {
      params: { path: { session_id: sessionId } },
    }),
  );
}

/** Ends every session, this one too; if the server can't be told, nobody is logged out. */
export async function logOutEverywhere(): Promise<void> {
  await unwrap(api.DELETE('/api/v1/users/me/sessions'));
  session.signOut();
}

export async function deleteAccount(userId: string, password?: string): Promise<void> {
  await unwrap(
    api.DELETE('/api/v1/users/{user_id}', {
      params: { path: { user_id: userId } },
      body: password === undefined ? {} : { password },
    }),
  );
  session.signOut();
}
