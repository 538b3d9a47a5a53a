import type { ComponentType } from 'react';
import type { RouteObject } from 'react-router';

import { RequireAuth } from '../auth/RequireAuth';
import { CrashPage } from './CrashPage';
import { Layout } from './Layout';
import { PageSkeleton } from './PageSkeleton';

/** Each page is a chunk of its own, fetched when it is first visited. */
function page(load: () => Promise<{ default: ComponentType }>): Pick<RouteObject, 'lazy'> {
  return { lazy: async () => ({ Component: (await load()).default }) };
}

export const routes: RouteObject[] = [
  {
    element: <Layout />,
    HydrateFallback: PageSkeleton,
    errorElement: <CrashPage />,
    children: [
      { index: true, ...page(() => import('../pages/HomePage')) },
      { path: 'search', ...page(() => import('../pages/SearchPage')) },
      { path: 'tags', ...page(() => import('../pages/TagsPage')) },
      { path: 'tags/:tag', ...page(() => import('../pages/TagPage')) },
      { path: 'watch/:videoId', ...page(() => import('../pages/WatchPage')) },
      { path: 'planned/:plannedId', ...page(() => import('../pages/PlannedPage')) },
      { path: 'u/:username', ...page(() => import('../pages/ChannelPage')) },
      { path: 'login', ...page(() => import('../pages/LoginPage')) },
      { path: 'signup', ...page(() => import('../pages/SignUpPage')) },
      {
        element: <RequireAuth />,
        children: [
          { path: 'upload', ...page(() => import('../pages/UploadPage')) },
          { path: 'watch/:videoId/story', ...page(() => import('../pages/TimelinePage')) },
          { path: 'live', ...page(() => import('../pages/LiveStreamsPage')) },
          { path: 'live/now', ...page(() => import('../pages/GoLivePage')) },
          { path: 'live/:streamId', ...page(() => import('../pages/LiveStreamPage')) },
          { path: 'videos', ...page(() => import('../pages/MyVideosPage')) },
          { path: 'videos/bin', ...page(() => import('../pages/BinPage')) },
          { path: 'account', ...page(() => import('../pages/AccountPage')) },
        ],
      },
      { path: '*', ...page(() => import('../pages/NotFoundPage')) },
    ],
  },
];
