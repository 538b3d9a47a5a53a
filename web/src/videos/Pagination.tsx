import { ChevronLeft, ChevronRight } from 'lucide-react';
import { Link, useSearchParams } from 'react-router';

import { cx } from '../ui/cx';
import { pageCount, pageWindow, withPage } from './paging';

const CELL =
  'timecode flex h-11 min-w-11 items-center justify-center rounded-lg px-2 text-sm font-medium';

interface PaginationProps {
  page: number;
  pageSize: number;
  total: number;
}

/** Pages are addresses, so that they can be shared and the back button works. */
export function Pagination({ page, pageSize, total }: PaginationProps) {
  const [params] = useSearchParams();
  const pages = pageCount(total, pageSize);
  if (pages === 1) return null;
  return (
    <nav aria-label="Pages" className="mt-12 flex items-center justify-center gap-1">
      <Step to={page > 1 ? withPage(params, page - 1) : null} label="Previous page">
        <ChevronLeft className="h-4 w-4" aria-hidden="true" />
      </Step>
      {pageWindow(page, pages).map((number, index) =>
        number === null ? (
          <span key={`gap-${index}`} className={`${CELL} text-muted max-xs:hidden`}>
            …
          </span>
        ) : (
          <Link
            key={number}
            to={withPage(params, number)}
            aria-label={`Page ${number}`}
            aria-current={number === page ? 'page' : undefined}
            className={cx(CELL, number === page ? 'bg-ink text-bg' : 'hover:bg-sunken')}
          >
            {number}
          </Link>
        ),
      )}
      <Step to={page < pages ? withPage(params, page + 1) : null} label="Next page">
        <ChevronRight className="h-4 w-4" aria-hidden="true" />
      </Step>
    </nav>
  );
}

function Step({
  to,
  label,
  children,
}: {
  to: string | null;
  label: string;
  children: React.ReactNode;
}) {
  if (to === null) {
    return (
      <span className={`${CELL} text-edge`} aria-hidden="true">
        {children}
      </span>
    );
  }
  return (
    <Link to={to} aria-label={label} className={`${CELL} hover:bg-sunken`}>
      {children}
    </Link>
  );
}
