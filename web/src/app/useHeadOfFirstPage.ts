import { useEffect, useRef } from 'react';
import { useLocation } from 'react-router';

const OF_ONE_PAGE = [
  ...['canonical', 'alternate'].map((rel) => `link[rel="${rel}"]`),
  ...['og:', 'video:', 'profile:'].map((start) => `meta[property^="${start}"]`),
  'meta[name^="twitter:"]',
  'meta[name="robots"]',
  'script[type="application/ld+json"]',
].join(', ');

/**
 * What the server wrote about the page that was opened goes when another one is shown: browsers
 * share and bookmark by it.
 */
export function useHeadOfFirstPage(): void {
  const { pathname } = useLocation();
  const first = useRef(pathname);
  useEffect(() => {
    if (pathname === first.current) return;
    for (const element of document.head.querySelectorAll(OF_ONE_PAGE)) element.remove();
  }, [pathname]);
}
