import { kept } from '../ui/kept';

/** The signed-in session of this tab. Until the first refresh there is no access token. */
export interface Session {
  accessToken: string | null;
  username: string;
}

/**
 * Only who is signed in is kept in localStorage, for the next visit and for other tabs. The refresh
 * token is in a cookie that no script can read, and the access token in this tab's memory.
 */
const STORAGE_KEY = 'cinelog.session';

/** Refresh this long before expiry, so that a request never leaves with a dying token. */
const EXPIRY_MARGIN_SECONDS = 20;

export function readUsername(): string | null {
  try {
    const parsed: unknown = JSON.parse(kept.get(STORAGE_KEY) ?? 'null');
    if (typeof parsed !== 'object' || parsed === null) return null;
    const { username } = parsed as Record<string, unknown>;
    return typeof username === 'string' ? username : null;
  } catch {
    return null;
  }
}

export function writeUsername(username: string | null): void {
  if (username !== null) kept.set(STORAGE_KEY, JSON.stringify({ username }));
  else kept.remove(STORAGE_KEY);
}

/** Takes the refresh token that an earlier version kept in localStorage out of it. */
export function takeStoredRefreshToken(): string | null {
  try {
    const parsed: unknown = JSON.parse(kept.get(STORAGE_KEY) ?? 'null');
    if (typeof parsed !== 'object' || parsed === null) return null;
    const { refreshToken, username } = parsed as Record<string, unknown>;
    if (typeof refreshToken !== 'string' || typeof username !== 'string') return null;
    writeUsername(username);
    return refreshToken;
  } catch {
    return null;
  }
}

export function isSessionStorageEvent(event: StorageEvent): boolean {
  return event.key === STORAGE_KEY || event.key === null;
}

/** Claims of a JWT, unverified: only good for deciding when to refresh. */
function claimsOf(token: string): Record<string, unknown> {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const claims: unknown = JSON.parse(atob(payload));
    return typeof claims === 'object' && claims !== null ? (claims as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

export function isExpired(token: string, nowMs: number): boolean {
  const expires = claimsOf(token)['exp'];
  return typeof expires === 'number' && expires - EXPIRY_MARGIN_SECONDS <= nowMs / 1000;
}
