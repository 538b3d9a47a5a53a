import { ApiError, errorFromBody, networkError } from '../api/errors';
import {
  isExpired,
  isSessionStorageEvent,
  readUsername,
  type Session,
  takeStoredRefreshToken,
  writeUsername,
} from './tokens';

export type SignOutReason = 'chosen' | 'expired';
type Listener = (session: Session | null, reason: SignOutReason) => void;

const LOCK = 'cinelog.refresh';
const REFRESH_PATH = '/api/v1/auth/refresh';

/**
 * Holds the session and keeps its access token fresh. One refresh runs at a time: within the tab
 * by sharing its promise, across tabs by a Web Lock. Tabs that refresh together without locks get
 * the same refresh token, so nobody is logged out by it.
 */
export class SessionStore {
  #session: Session | null = storedSession();
  #legacyToken = takeStoredRefreshToken();
  #refreshing: Promise<string | null> | null = null;
  readonly #listeners = new Set<Listener>();

  get current(): Session | null {
    return this.#session;
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Follows sign-in and sign-out in other tabs. Returns the way to stop. */
  watchOtherTabs(): () => void {
    const onStorage = (event: StorageEvent) => {
      if (!isSessionStorageEvent(event)) return;
      const stored = storedSession();
      if (stored?.username !== this.#session?.username) this.#adopt(stored, 'chosen');
    };
    window.addEventListener('storage', onStorage);
    return () => window.removeEventListener('storage', onStorage);
  }

  signIn(session: Session): void {
    writeUsername(session.username);
    this.#adopt(session, 'chosen');
  }

  signOut(reason: SignOutReason = 'chosen'): void {
    writeUsername(null);
    this.#adopt(null, reason);
  }

  /** A token that is good now, or null when nobody is signed in. */
  async accessToken(): Promise<string | null> {
    const session = this.#session;
    if (!session) return null;
    const token = session.accessToken;
    if (token !== null && !isExpired(token, Date.now())) return token;
    return this.refresh(token);
  }

  /** Replaces the token that turned out to be stale. Null: the session has ended. */
  refresh(stale: string | null): Promise<string | null> {
    this.#refreshing ??= this.#refreshLocked(stale).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refreshLocked(stale: string | null): Promise<string | null> {
    // Web Locks exist only in secure contexts; plain http in a LAN does without.
    if (!('locks' in navigator)) return this.#refreshNow(stale);
    return navigator.locks.request(LOCK, () => this.#refreshNow(stale));
  }

  async #refreshNow(stale: string | null): Promise<string | null> {
    const session = this.#session;
    if (!session || readUsername() !== session.username) {
      const stored = storedSession();
      this.#adopt(stored, stored ? 'chosen' : 'expired');
      if (!stored) return null;
    } else if (session.accessToken !== null && session.accessToken !== stale) {
      return session.accessToken;
    }
    try {
      const accessToken = await requestAccessToken(this.#legacyToken);
      this.#legacyToken = null;
      const username = this.#session?.username;
      if (username === undefined) return null;
      this.#adopt({ accessToken, username }, 'chosen');
      return accessToken;
    } catch (error) {
      if (error instanceof ApiError && (error.status === 400 || error.status === 401)) {
        this.signOut('expired');
        return null;
      }
      throw error;
    }
  }

  #adopt(session: Session | null, reason: SignOutReason): void {
    if (session === this.#session) return;
    this.#session = session;
    for (const listener of this.#listeners) listener(session, reason);
  }
}

function storedSession(): Session | null {
  const username = readUsername();
  return username === null ? null : { accessToken: null, username };
}

/** Uses the cookie, or a token from before there was one; the new token is in the cookie. */
async function requestAccessToken(legacyToken: string | null): Promise<string> {
  let response: Response;
  const token = legacyToken === null ? {} : { refresh_token: legacyToken };
  try {
    response = await fetch(REFRESH_PATH, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...token, session_in: 'cookie' }),
    });
  } catch {
    throw networkError();
  }
  const body: unknown = await response.json().catch(() => null);
  const accessToken = (body as { data?: { access_token?: unknown } } | null)?.data?.access_token;
  if (!response.ok || typeof accessToken !== 'string') {
    throw errorFromBody(response.status, body, response.headers.get('Retry-After'));
  }
  return accessToken;
}

export const session = new SessionStore();
