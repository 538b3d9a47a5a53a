import '../styles/index.css';

import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { createQueryClient } from '../api/queryClient';
import { EmbedPage } from './EmbedPage';
import { readOptions } from './options';

const root = document.getElementById('player');
if (!root) throw new Error('embed.html has no #player');
const videoId = window.location.pathname.split('/')[2] ?? '';
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={createQueryClient()}>
      <EmbedPage videoId={videoId} options={readOptions(window.location.search)} />
    </QueryClientProvider>
  </StrictMode>,
);
