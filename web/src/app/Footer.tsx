import { ThemeMenu } from './ThemeMenu';

export function Footer() {
  return (
    <footer className="border-t border-line pb-20 md:pb-0">
      <div className="page flex flex-wrap items-center justify-between gap-4 py-5 text-sm text-muted">
        <p>
          Cinelog ·{' '}
          <a href="/docs" className="underline decoration-line underline-offset-4 hover:text-ink">
            API
          </a>
        </p>
        <ThemeMenu />
      </div>
    </footer>
  );
}
