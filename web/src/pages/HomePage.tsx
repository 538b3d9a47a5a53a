import { useQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router';

import { queries } from '../api/queries';
import { useSession } from '../auth/AuthProvider';
import { ButtonLink } from '../ui/ButtonLink';
import { PageHeader } from '../ui/PageHeader';
import { EmptyState } from '../ui/states';
import { LivesAndVideos } from '../videos/LivesAndVideos';
import { pageFromParams } from '../videos/paging';

export default function HomePage() {
  const [params] = useSearchParams();
  const query = useQuery(queries.latest(pageFromParams(params)));
  return (
    <div className="page">
      <PageHeader title="Newest" />
      <LivesAndVideos userId={null} query={query} featured empty={<NothingYet />} />
    </div>
  );
}

function NothingYet() {
  const session = useSession();
  return (
    <EmptyState
      title="The screen is still dark"
      action={
        session ? (
          <ButtonLink to="/upload" variant="primary">
            Upload the first video
          </ButtonLink>
        ) : (
          <>
            <ButtonLink to="/signup" variant="primary">
              Sign up
            </ButtonLink>
            <ButtonLink to="/login">Log in</ButtonLink>
          </>
        )
      }
    >
      No one has uploaded a video yet. The first one can be watched seconds after it arrives.
    </EmptyState>
  );
}
