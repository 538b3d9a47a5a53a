/** The query that brings someone back to this place after logging in or signing up. */
export function returnQuery(pathname: string, search: string): string {
  // Between the two forms, the place that was asked for first stays.
  if (pathname === '/login' || pathname === '/signup') return search;
  const place = pathname + search;
  return place === '/' ? '' : `?next=${encodeURIComponent(place)}`;
}

/** Where to go after logging in: only to a path of this site, never to another one. */
export function safeNext(next: string | null): string {
  if (!next?.startsWith('/')) return '/';
  try {
    // As browsers read it: they drop tabs and line ends, and take a backslash for a slash.
    const { origin, pathname, search, hash } = new URL(next, window.location.origin);
    const path = pathname + search + hash;
    return origin === window.location.origin && !path.startsWith('//') ? path : '/';
  } catch {
    return '/';
  }
}
