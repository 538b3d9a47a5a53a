import { Radio, Upload } from 'lucide-react';
import { Link, NavLink, useLocation } from 'react-router';

import { useSession } from '../auth/AuthProvider';
import { returnQuery } from '../auth/next';
import { ButtonLink } from '../ui/ButtonLink';
import { cx } from '../ui/cx';
import { LogoMark } from '../ui/Logo';
import { SearchBox } from './SearchBox';
import { ThemeButton } from './ThemeButton';
import { UserMenu } from './UserMenu';

const LINKS = [
  ['/', 'Newest'],
  ['/tags', 'Tags'],
] as const;

export function Header() {
  const session = useSession();
  const { pathname, search } = useLocation();
  const back = returnQuery(pathname, search);
  return (
    <header className="sticky top-0 z-30 border-b border-line bg-bg/95 backdrop-blur print:static">
      <div className="page flex h-16 items-center gap-3 md:gap-6">
        <Link
          to="/"
          aria-label="Cinelog, home"
          className="flex min-h-11 min-w-11 items-center gap-2.5 rounded-md"
        >
          <span className="flex h-9 w-9 items-center justify-center rounded-lg bg-[#16211c] text-[#f5b92f]">
            <LogoMark className="ml-0.5 h-[1.15rem] w-[1.15rem]" />
          </span>
          <span className="hidden text-xl font-extrabold tracking-tight sm:inline">Cinelog</span>
        </Link>
        <nav aria-label="Main" className="hidden items-center gap-1 md:flex">
          {LINKS.map(([to, label]) => (
            <NavLink
              key={to}
              to={to}
              end={to === '/'}
              className={({ isActive }) =>
                cx(
                  'rounded-md px-3 py-2 text-[0.9375rem] font-semibold transition-colors hover:text-ink',
                  isActive
                    ? 'text-ink underline decoration-accent decoration-[3px] underline-offset-8'
                    : 'text-muted',
                )
              }
            >
              {label}
            </NavLink>
          ))}
        </nav>
        <SearchBox />
        {session ? (
          <>
            <ButtonLink to="/live/now" className="max-lg:hidden">
              <Radio className="h-4 w-4" aria-hidden="true" />
              Go live
            </ButtonLink>
            <ButtonLink to="/upload" variant="primary" className="max-md:hidden">
              <Upload className="h-4 w-4" aria-hidden="true" />
              Upload
            </ButtonLink>
            <UserMenu username={session.username} />
          </>
        ) : (
          <div className="flex items-center gap-1">
            <ThemeButton />
            <ButtonLink to={`/login${back}`} variant="ghost" className="max-sm:px-2.5">
              Log in
            </ButtonLink>
            <ButtonLink to={`/signup${back}`} variant="primary" className="max-sm:hidden">
              Sign up
            </ButtonLink>
          </div>
        )}
      </div>
    </header>
  );
}
