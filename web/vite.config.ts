import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const gateway = process.env.GATEWAY_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react(), tailwindcss()],
  server: {
    proxy: Object.fromEntries(
      ['/api', '/media', '/docs'].map((path) => [path, { target: gateway, changeOrigin: false }]),
    ),
  },
  build: {
    target: 'es2022',
    // The gateway's content policy allows no data: scripts or fonts, so every asset is a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    rolldownOptions: { input: ['index.html', 'embed.html'] },
  },
  test: {
    environment: 'jsdom',
    setupFiles: ['tests/setup.ts'],
    include: ['tests/**/*.test.{ts,tsx}'],
    restoreMocks: true,
    // One page for the files of a worker: making one takes longer than all tests. setup.ts clears it.
    isolate: false,
    // A machine that does several things at a time is slower than these tests' defaults of 5 s.
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
