import { Button } from '../ui/Button';
import { LogoMark } from '../ui/Logo';
import { PageTitle } from '../ui/PageTitle';

/** Shown when a page can't be drawn at all: a bug, or a chunk of an older release that is gone. */
export function CrashPage() {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center px-6 text-center">
      <PageTitle title="Something broke" />
      <LogoMark className="mb-6 h-10 w-10 text-accent" />
      <h1 className="text-2xl font-bold">This page broke</h1>
      <p className="mt-2 max-w-sm text-muted">
        It may have been updated while you were here. Loading it again usually helps.
      </p>
      <Button variant="primary" className="mt-6" onClick={() => window.location.reload()}>
        Load again
      </Button>
    </main>
  );
}
