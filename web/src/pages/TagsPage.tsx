import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';

import { queries } from '../api/queries';
import { PageHeader } from '../ui/PageHeader';
import { EmptyState, ErrorState } from '../ui/states';

export default function TagsPage() {
  return (
    <div className="page">
      <PageHeader title="Tags" />
      <TagCloud />
    </div>
  );
}

function TagCloud() {
  const { data: tags, error, isPending, refetch } = useQuery(queries.tags());
  if (isPending) {
    return (
      <div role="status" aria-label="Loading tags" className="flex flex-wrap gap-2.5">
        {[7, 11, 6, 9, 13, 8, 10, 7, 12].map((width, index) => (
          <div key={index} className="h-11 shimmer rounded-lg" style={{ width: `${width}rem` }} />
        ))}
      </div>
    );
  }
  if (error) return <ErrorState error={error} onRetry={() => void refetch()} />;
  if (tags.length === 0) {
    return <EmptyState title="No tags yet">Tags appear here once videos carry some.</EmptyState>;
  }
  return (
    <ul className="flex flex-wrap gap-2.5">
      {tags.map((tag) => (
        <li key={tag.id}>
          <Link
            to={`/tags/${encodeURIComponent(tag.name)}`}
            className="flex min-h-11 items-center rounded-lg border border-line bg-surface px-4 font-medium hover:border-edge"
          >
            <span className="mr-1 text-muted" aria-hidden="true">
              #
            </span>
            {tag.name}
          </Link>
        </li>
      ))}
    </ul>
  );
}
