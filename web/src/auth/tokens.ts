/** The signed-in session as this browser keeps it. */
export interface Session {
  accessToken: string;
  refreshToken: string;
  username: string;
}

/**
 * Both tokens live in localStorage. The refresh token has to (the API hands it out in a body, not
 * in a cookie), and the access token gains nothing from hiding in memory then: it is the weaker of
 * the two, and a refresh on every page load would run into the refresh route's rate limit.
 */
const STORAGE_KEY = 'cinelog.session';

/** Refresh this long before expiry, so that a request never leaves with a dying token. */
const EXPIRY_MARGIN_SECONDS = 20;

export function readSession(): Session | null {
  try {
    const parsed: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? 'null');
    return isSession(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

export function writeSession(session: Session | null): void {
  if (session) localStorage.setItem(STORAGE_KEY, JSON.stringify(session));
  else localStorage.removeItem(STORAGE_KEY);
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

function isSession(value: unknown): value is Session {
  if (typeof value !== 'object' || value === null) return false;
  const { accessToken, refreshToken, username } = value as Record<string, unknown>;
  return (
    typeof accessToken === 'string' &&
    typeof refreshToken === 'string' &&
    typeof username === 'string'
  );
}
