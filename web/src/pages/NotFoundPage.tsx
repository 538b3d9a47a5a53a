import { ButtonLink } from '../ui/ButtonLink';
import { PageTitle } from '../ui/PageTitle';
import { EmptyState } from '../ui/states';

export default function NotFoundPage() {
  return (
    <EmptyState
      heading="h1"
      title="This page doesn’t exist"
      action={
        <ButtonLink to="/" variant="primary">
          See the newest videos
        </ButtonLink>
      }
    >
      <PageTitle title="Not found" />
      The address may be mistyped, or what was here is gone.
    </EmptyState>
  );
}
