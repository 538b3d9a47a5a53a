import { Search } from 'lucide-react';
import { type SyntheticEvent, useEffect, useRef, useState } from 'react';
import { useLocation, useNavigate, useSearchParams } from 'react-router';

import { useDebounced } from '../ui/useDebounced';
import { searchesAsYouType, searchPath } from './searchNavigation';

const DEBOUNCE_MS = 250;

/** The address is the truth: the box follows `?q=` and, on browsing pages, writes it as you type. */
export function SearchBox() {
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const [params] = useSearchParams();
  const shownQuery = pathname === '/search' ? (params.get('q') ?? '') : '';
  const [text, setText] = useState(shownQuery);
  const [followed, setFollowed] = useState(shownQuery);
  const [typing, setTyping] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const settled = useDebounced(text, DEBOUNCE_MS);

  if (followed !== shownQuery) {
    setFollowed(shownQuery);
    // While typing, the box is ahead of the address; only a change from elsewhere overwrites it.
    if (!typing) setText(shownQuery);
  }

  useEffect(() => {
    const query = settled.trim();
    if (!typing || settled !== text || query === shownQuery || !searchesAsYouType(pathname)) return;
    if (query === '' && pathname !== '/search') return;
    void navigate(searchPath(query), { replace: pathname === '/search' });
  }, [settled, text, typing, shownQuery, pathname, navigate]);

  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (text.trim() !== '') void navigate(searchPath(text.trim()));
  };

  useEffect(() => focusOnSlash(input), []);

  return (
    <search className="min-w-0 flex-1 md:mx-auto md:max-w-lg">
      <form onSubmit={submit} className="relative">
        <Search
          className="pointer-events-none absolute top-1/2 left-3 h-4 w-4 -translate-y-1/2 text-muted"
          aria-hidden="true"
        />
        <input
          ref={input}
          type="search"
          dir="auto"
          aria-label="Search videos"
          aria-keyshortcuts="/"
          placeholder="Search videos"
          autoComplete="off"
          maxLength={200}
          value={text}
          onFocus={() => setTyping(true)}
          onBlur={() => setTyping(false)}
          onChange={(event) => setText(event.target.value)}
          className="h-11 w-full rounded-lg border border-transparent bg-sunken pr-3 pl-9 text-base text-ink placeholder:text-muted focus:border-edge focus:bg-surface"
        />
      </form>
    </search>
  );
}

function focusOnSlash(input: { current: HTMLInputElement | null }): () => void {
  const onKey = (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest('input, textarea, select, [contenteditable]')) return;
    event.preventDefault();
    input.current?.focus();
  };
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}
