export function Footer() {
  return (
    <footer className="border-t border-line pb-20 md:pb-0">
      <p className="page py-3 text-sm text-muted">
        Cinelog ·{' '}
        <a
          href="/docs"
          className="inline-flex min-h-11 min-w-11 items-center underline decoration-line underline-offset-4 hover:text-ink"
        >
          API
        </a>
      </p>
    </footer>
  );
}
