import { Navigate, Outlet, useLocation } from 'react-router';

import { useSession } from './AuthProvider';
import { returnQuery } from './next';

/** Lets only signed-in people through; the others come back here after logging in. */
export function RequireAuth() {
  const session = useSession();
  const { pathname, search } = useLocation();
  if (!session) {
    return <Navigate to={`/login${returnQuery(pathname, search)}`} replace />;
  }
  return <Outlet />;
}
