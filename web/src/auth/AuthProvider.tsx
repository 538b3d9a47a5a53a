import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useSyncExternalStore } from 'react';

import type { Me } from '../api/models';
import { queries } from '../api/queries';
import { useNotify } from '../ui/notifications';
import { session } from './session';
import type { Session } from './tokens';

/** Ties the session to what is on screen: another person's data never survives a change. */
export function AuthProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const notify = useNotify();

  useEffect(() => session.watchOtherTabs(), []);
  useEffect(() => {
    let username = session.current?.username;
    return session.subscribe((next, reason) => {
      if (next?.username === username) return;
      username = next?.username;
      void client.resetQueries();
      if (!next && reason === 'expired') notify('Your session has ended. Please log in again.');
    });
  }, [client, notify]);

  return children;
}

export function useSession(): Session | null {
  return useSyncExternalStore(
    (changed) => session.subscribe(changed),
    () => session.current,
  );
}

/** The signed-in person's account, once it has been fetched. */
export function useMe(): Me | undefined {
  const signedIn = useSession() !== null;
  return useQuery({ ...queries.me(), enabled: signedIn }).data;
}
