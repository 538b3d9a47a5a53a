import { useEffect } from 'react';

/** Names the page in the tab; the layout reads it out after a navigation. */
export function PageTitle({ title }: { title: string }) {
  useEffect(() => {
    document.title = title === 'Cinelog' ? title : `${title} · Cinelog`;
  }, [title]);
  return null;
}
