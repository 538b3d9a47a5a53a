import { screen } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { NearQuota } from '../src/account/NearQuota';
import { Usage } from '../src/account/Usage';
import { session } from '../src/auth/session';
import { expectAccessible, failure, fakeApi, renderAt, success, tokenFor } from './stage';

const USAGE = 'GET /api/v1/users/me/usage';

beforeEach(() => {
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});

describe('Usage', () => {
  it('says what is used and allowed', async () => {
    fakeApi({
      [USAGE]: () =>
        success({
          bytes: { used: 1536, allowed: 1024 ** 4 },
          videos: { used: 3, allowed: 10000 },
          open_uploads: { used: 0, allowed: 50 },
          encode_minutes: { used: 12, allowed: null },
          lives: { used: 1, allowed: null },
          live_bytes: { used: 512, allowed: null },
          deleted_bytes: { used: 2048, allowed: 1024 ** 4 },
        }),
    });
    const { container } = renderAt(<Usage />, '/account');
    expect(await screen.findByText('1.5 KB of 1.0 TB')).toBeVisible();
    expect(screen.getByText('3 of 10,000')).toBeVisible();
    expect(screen.getByText('512 B')).toBeVisible();
    expect(screen.getByText('2.0 KB of 1.0 TB')).toBeVisible();
    // Without a limit there is nothing to compare with.
    expect(screen.getByText('12')).toBeVisible();
    expect(screen.getAllByRole('meter')).toHaveLength(4);
    await expectAccessible(container);
  });

  it('says that it does not know', async () => {
    fakeApi({ [USAGE]: () => failure(503, 'Down.') });
    renderAt(<Usage />, '/account');
    expect(await screen.findByRole('alert')).toHaveTextContent('briefly unavailable');
  });
});

describe('NearQuota', () => {
  const usage = (bytes: number, videos: number) => () =>
    success({
      bytes: { used: bytes, allowed: 1024 ** 2 },
      videos: { used: videos, allowed: 100 },
      open_uploads: { used: 50, allowed: 50 },
      encode_minutes: { used: 12, allowed: null },
    });

  it('says what is almost used up, and how to make room', async () => {
    fakeApi({ [USAGE]: usage(900 * 1024, 99) });
    const { container } = renderAt(<NearQuota />, '/upload');
    expect(await screen.findByRole('note')).toHaveTextContent(
      'Your account uses 900 KB of 1.0 MB storage and 99 of 100 videos. Delete what you no ' +
        'longer need and empty the bin to make room.',
    );
    expect(screen.getAllByRole('link').map((link) => link.getAttribute('href'))).toEqual([
      '/videos',
      '/videos/bin',
    ]);
    await expectAccessible(container);
  });

  it('says nothing while there is room', async () => {
    const requests = fakeApi({ [USAGE]: usage(100, 1) });
    renderAt(<NearQuota />, '/upload');
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    expect(screen.queryByRole('note')).toBeNull();
  });
});
