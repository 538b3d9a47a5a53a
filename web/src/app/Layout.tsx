import { useEffect, useRef } from 'react';
import { type Location, Outlet, ScrollRestoration, useLocation, useNavigation } from 'react-router';

import { UploadDock } from '../upload/UploadDock';
import { useDropAnywhere } from '../upload/useDropAnywhere';
import { Footer } from './Footer';
import { Header } from './Header';
import { OfflineBanner } from './OfflineBanner';
import { TabBar } from './TabBar';
import { useHeadOfFirstPage } from './useHeadOfFirstPage';

export function Layout() {
  const main = useFocusOnNavigation();
  useDropAnywhere();
  useHeadOfFirstPage();
  const navigating = useNavigation().state !== 'idle';
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        className="fixed top-2 left-2 z-50 -translate-y-20 rounded-lg bg-accent px-4 py-2.5 font-semibold text-on-accent focus:translate-y-0"
      >
        Skip to content
      </a>
      <Header />
      <OfflineBanner />
      {navigating && (
        <div
          aria-hidden="true"
          className="fixed inset-x-0 top-0 z-50 h-0.5 animate-pulse bg-accent"
        />
      )}
      {/* As high as the screen, so that nothing below it moves while a page grows. */}
      <main ref={main} id="main" tabIndex={-1} className="min-h-[calc(100dvh-4rem)] flex-1 pb-12">
        <Outlet />
      </main>
      <Footer />
      <TabBar />
      <UploadDock />
      <ScrollRestoration getKey={visitOf} />
    </div>
  );
}

/** Pages that are loaded anew all have one key: without their address they share one position. */
function visitOf({ key, pathname, search }: Location): string {
  return key === 'default' ? `${pathname}${search}` : key;
}

/**
 * After a navigation the keyboard and the screen reader start at the new page's content, except
 * while someone is typing a search, which changes the address as they type.
 */
function useFocusOnNavigation() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    if (document.activeElement?.getAttribute('type') === 'search') return;
    main.current?.focus({ preventScroll: true });
  }, [pathname]);
  return main;
}
