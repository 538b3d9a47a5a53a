import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { session } from '../src/auth/session';
import { OwnerActions } from '../src/videos/OwnerActions';
import { ShareButton } from '../src/watch/ShareButton';
import { aVideo, expectAccessible, fakeApi, renderAt, success, tokenFor } from './stage';

const EDIT = 'PUT /api/v1/streaming/v1';
const CHANGE = 'PATCH /api/v1/streaming/v1/downloads';
const files = [
  { rendition: '720p', width: 1280, height: 720, size: 5 * 1024 ** 2, url: '/a?rendition=720p' },
  { rendition: '240p', width: 426, height: 240, size: 900, url: '/a?rendition=240p&grant=g' },
];

beforeEach(() => {
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(null, { status: 404 })));
});

describe('the share dialog', () => {
  it('lists the files that the viewer may have, with their sizes', async () => {
    const { container } = renderAt(<ShareButton video={aVideo({ files })} />);
    await userEvent.click(screen.getByRole('button', { name: 'Share' }));
    const links = screen.getAllByRole('link', { name: /^MP4/ });
    expect(links.map((link) => link.textContent)).toEqual(['MP4 720p5.0 MB', 'MP4 240p900 B']);
    expect(links.map((link) => link.getAttribute('href'))).toEqual(files.map(({ url }) => url));
    expect(links.every((link) => link.hasAttribute('download'))).toBe(true);
    await expectAccessible(container);
  });

  it('says nothing of downloads where there are none', async () => {
    renderAt(<ShareButton video={aVideo()} />);
    await userEvent.click(screen.getByRole('button', { name: 'Share' }));
    expect(screen.queryByText('Download')).not.toBeInTheDocument();
  });
});

describe('the owner', () => {
  it.each([
    ['nobody', 'anyone'],
    ['anyone', 'nobody'],
  ] as const)('changes who may download from %s to %s', async (before, after) => {
    const video = aVideo({ downloads: before });
    const bodies: unknown[] = [];
    fakeApi({
      [EDIT]: () => success(video),
      [CHANGE]: async (request) => {
        bodies.push(await request.json());
        return success(aVideo({ downloads: after }));
      },
    });
    renderAt(<OwnerActions video={video} />);
    await userEvent.click(screen.getByRole('button', { name: 'Edit' }));
    await userEvent.click(screen.getByRole('checkbox', { name: /may download it/ }));
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    await waitFor(() => expect(bodies).toEqual([{ downloads: after }]));
  });
});
