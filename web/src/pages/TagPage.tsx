import { useQuery } from '@tanstack/react-query';
import { useParams, useSearchParams } from 'react-router';

import { ApiError } from '../api/errors';
import { queries } from '../api/queries';
import { totalOf } from '../format/count';
import { ButtonLink } from '../ui/ButtonLink';
import { PageHeader } from '../ui/PageHeader';
import { EmptyState } from '../ui/states';
import { pageFromParams } from '../videos/paging';
import { VideoList } from '../videos/VideoList';

export default function TagPage() {
  const { tag = '' } = useParams();
  const [params] = useSearchParams();
  const query = useQuery(queries.tagged(tag, pageFromParams(params)));
  const unknown = query.error instanceof ApiError && query.error.status === 404;
  const empty = (
    <EmptyState
      title="Nothing carries this tag"
      action={<ButtonLink to="/tags">See all tags</ButtonLink>}
    />
  );
  return (
    <div className="page">
      <PageHeader title={`#${tag}`}>
        {query.data ? totalOf(query.data, 'video') : '\u00a0'}
      </PageHeader>
      {unknown ? empty : <VideoList query={query} empty={empty} />}
    </div>
  );
}
