import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, expect, it, vi } from 'vitest';

import { session } from '../src/auth/session';
import UploadPage from '../src/pages/UploadPage';
import { UploadDock } from '../src/upload/UploadDock';
import { UploadProvider } from '../src/upload/UploadProvider';
import { anOpenUpload } from './drafts';
import { expectAccessible, fakeApi, renderAt, success, tokenFor } from './stage';

const ID = '0198f0aa-0000-7000-8000-000000000001';
const walk = () => new File(['walk'], 'walk.mp4', { type: 'video/mp4', lastModified: 5 });
const unfinished = anOpenUpload({});

function show(uploads: object[]) {
  let open = uploads;
  const requests = fakeApi({
    'GET /api/v1/users/me': () => success({ username: 'mara', default_visibility: 'public' }),
    'GET /api/v1/users/me/usage': () => success({}),
    'GET /api/v1/uploads': () => success(open),
    'POST /api/v1/uploads': () =>
      new Response(null, { status: 201, headers: { Location: `/api/v1/uploads/${ID}` } }),
    [`HEAD /api/v1/uploads/${ID}`]: () => new Response(null, { headers: { 'Upload-Offset': '0' } }),
    [`DELETE /api/v1/uploads/${ID}`]: () => {
      open = [];
      return new Response(null, { status: 204 });
    },
  });
  const view = renderAt(
    <UploadProvider>
      <UploadPage />
      <UploadDock />
    </UploadProvider>,
    '/upload',
  );
  return {
    view,
    methods: () => requests.map(({ method, url }) => `${method} ${new URL(url).pathname}`),
  };
}

beforeEach(() => {
  vi.spyOn(HTMLMediaElement.prototype, 'load').mockReturnValue();
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
  vi.stubGlobal(
    'URL',
    Object.assign(URL, { createObjectURL: () => 'blob:x', revokeObjectURL: () => undefined }),
  );
});

it('lists what was begun before, and goes on with the same file only', async () => {
  const { view, methods } = show([unfinished]);
  const list = await screen.findByRole('region', { name: 'Unfinished uploads' });
  await expectAccessible(view.container);
  const input = within(list).getByLabelText('The file walk.mp4');
  await userEvent.upload(input, new File(['other'], 'other.mp4', { type: 'video/mp4' }));
  expect(within(list).getByRole('alert')).toHaveTextContent('“other.mp4” is another file');
  await userEvent.upload(input, walk());
  expect(await screen.findByDisplayValue('A walk')).toBeVisible();
  expect(await screen.findByText(/Almost there/)).toBeVisible();
  expect(screen.queryByRole('region', { name: 'Unfinished uploads' })).toBeNull();
  expect(methods()).not.toContain('POST /api/v1/uploads');
});

it('removes what is not wanted any more', async () => {
  show([unfinished]);
  await userEvent.click(await screen.findByRole('button', { name: 'Remove walk.mp4' }));
  await vi.waitFor(() => expect(screen.queryByText('Unfinished uploads')).toBeNull());
});

it('uploads many files by one click, but for those that miss something', async () => {
  const { view } = show([]);
  const files = ['a.mp4', 'b.mp4', 'c.mp4'].map((name) => new File(['x'], name));
  await userEvent.upload(screen.getByLabelText('Video files'), files);
  const cards = screen.getAllByRole('article');
  await userEvent.clear(within(cards[2] as HTMLElement).getByLabelText('Title'));
  await expectAccessible(view.container);
  await userEvent.click(screen.getByRole('button', { name: 'Upload all' }));
  expect(await screen.findByText('“c.mp4”: A video needs a title.')).toBeVisible();
  expect(screen.getAllByRole('button', { name: 'Upload' })).toHaveLength(1);
  expect(screen.getByRole('heading', { name: 'a' })).toBeVisible();
});
