import { ApiError, errorFromBody, networkError } from '../api/errors';
import {
  isExpired,
  isSessionStorageEvent,
  readSession,
  type Session,
  writeSession,
} from './tokens';

export type SignOutReason = 'chosen' | 'expired';
type Listener = (session: Session | null, reason: SignOutReason) => void;

const LOCK = 'cinelog.refresh';
const REFRESH_PATH = '/api/v1/auth/refresh';

/**
 * Holds the session and keeps its access token fresh. One refresh runs at a time: within the tab
 * by sharing its promise, across tabs by a Web Lock, after which the winner's tokens are taken
 * from storage instead of spending the rotated refresh token twice.
 */
export class SessionStore {
  #session: Session | null = readSession();
  #refreshing: Promise<string | null> | null = null;
  readonly #listeners = new Set<Listener>();

  get current(): Session | null {
    return this.#session;
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Follows sign-in, sign-out and refresh in other tabs. Returns the way to stop. */
  watchOtherTabs(): () => void {
    const onStorage = (event: StorageEvent) => {
      if (isSessionStorageEvent(event)) this.#adopt(readSession(), 'chosen');
    };
    window.addEventListener('storage', onStorage);
    return () => window.removeEventListener('storage', onStorage);
  }

  signIn(session: Session): void {
    writeSession(session);
    this.#adopt(session, 'chosen');
  }

  signOut(reason: SignOutReason = 'chosen'): void {
    writeSession(null);
    this.#adopt(null, reason);
  }

  /** A token that is good now, or null when nobody is signed in. */
  async accessToken(): Promise<string | null> {
    const session = this.#session;
    if (!session) return null;
    if (!isExpired(session.accessToken, Date.now())) return session.accessToken;
    return this.refresh(session.accessToken);
  }

  /** Replaces the token that turned out to be stale. Null: the session has ended. */
  refresh(stale: string): Promise<string | null> {
    this.#refreshing ??= this.#refreshLocked(stale).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refreshLocked(stale: string): Promise<string | null> {
    // Web Locks exist only in secure contexts; plain http in a LAN does without.
    if (!('locks' in navigator)) return this.#refreshNow(stale);
    return navigator.locks.request(LOCK, () => this.#refreshNow(stale));
  }

  async #refreshNow(stale: string): Promise<string | null> {
    const stored = readSession();
    if (!stored) {
      this.#adopt(null, 'expired');
      return null;
    }
    if (stored.accessToken !== stale) {
      this.#adopt(stored, 'chosen');
      return stored.accessToken;
    }
    try {
      const renewed = { ...stored, ...(await requestTokens(stored.refreshToken)) };
      writeSession(renewed);
      this.#adopt(renewed, 'chosen');
      return renewed.accessToken;
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

async function requestTokens(
  refreshToken: string,
): Promise<Pick<Session, 'accessToken' | 'refreshToken'>> {
  let response: Response;
  try {
    response = await fetch(REFRESH_PATH, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ refresh_token: refreshToken }),
    });
  } catch {
    throw networkError();
  }
  const body: unknown = await response.json().catch(() => null);
  const tokens = (body as { data?: { access_token?: unknown; refresh_token?: unknown } } | null)
    ?.data;
  if (
    !response.ok ||
    typeof tokens?.access_token !== 'string' ||
    typeof tokens.refresh_token !== 'string'
  ) {
    throw errorFromBody(response.status, body, response.headers.get('Retry-After'));
  }
  return { accessToken: tokens.access_token, refreshToken: tokens.refresh_token };
}

export const session = new SessionStore();
