import { QueryClientProvider } from '@tanstack/react-query';
import { useState } from 'react';
import { createBrowserRouter, RouterProvider } from 'react-router';

import { createQueryClient } from '../api/queryClient';
import { AuthProvider } from '../auth/AuthProvider';
import { NotificationProvider } from '../ui/notifications';
import { UploadProvider } from '../upload/UploadProvider';
import { routes } from './routes';

export function App() {
  const [queryClient] = useState(createQueryClient);
  const [router] = useState(() => createBrowserRouter(routes));
  return (
    <QueryClientProvider client={queryClient}>
      <NotificationProvider>
        <AuthProvider>
          <UploadProvider>
            <RouterProvider router={router} />
          </UploadProvider>
        </AuthProvider>
      </NotificationProvider>
    </QueryClientProvider>
  );
}
