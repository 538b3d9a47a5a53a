export function searchPath(query: string): string {
  return query === '' ? '/search' : `/search?${new URLSearchParams({ q: query }).toString()}`;
}

/** Typing may change the page only where nothing is interrupted: not a film, not a form. */
export function searchesAsYouType(pathname: string): boolean {
  return pathname === '/' || pathname === '/search' || /^\/tags(\/|$)/.test(pathname);
}
