import { useQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';

import { queries } from '../api/queries';
import { totalOf } from '../format/count';
import { PageHeader } from '../ui/PageHeader';
import { EmptyState } from '../ui/states';
import { pageFromParams } from '../videos/paging';
import { VideoList } from '../videos/VideoList';

export default function SearchPage() {
  const [params] = useSearchParams();
  const q = (params.get('q') ?? '').trim();
  const query = useQuery(queries.search(q, pageFromParams(params)));
  if (q === '') {
    return (
      <div className="page">
        <PageHeader title="Search" />
        <EmptyState title="What would you like to see?">
          Type a word of a title or a description. Typing mistakes are fine.
        </EmptyState>
      </div>
    );
  }
  return (
    <div className="page">
      <PageHeader title={`“${q}”`}>
        <p role="status">{query.data ? totalOf(query.data, 'video') : 'Searching …'}</p>
      </PageHeader>
      <VideoList
        query={query}
        empty={
          <EmptyState title="No video matches">
            Try fewer or other words, or look through the tags.
          </EmptyState>
        }
      />
    </div>
  );
}
