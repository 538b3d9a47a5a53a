import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { DefaultVisibility } from '../src/account/DefaultVisibility';
import { session } from '../src/auth/session';
import { DraftForm } from '../src/upload/DraftForm';
import type { UploadItem } from '../src/upload/machine';
import { uploadMetadata } from '../src/upload/tus';
import { OwnerActions } from '../src/videos/OwnerActions';
import { fromLocalInput, publishAtProblem, toLocalInput } from '../src/videos/publication';
import { aDraft } from './drafts';
import { aVideo, expectAccessible, failure, fakeApi, renderAt, success, tokenFor } from './stage';

const ME = 'GET /api/v1/users/me';
const HOUR_MS = 3600_000;
const later = (hours: number) => new Date(Date.now() + hours * HOUR_MS);

const me = (visibility: string) => () =>
  success({
    id: 'u1',
    username: 'mara',
    email: 'm@example.com',
    created_at: '2026-11-22T10:00:00Z',
    default_visibility: visibility,
  });

beforeEach(() => {
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});

const file = new File(['x'], 'clip.mp4', { type: 'video/mp4' });

function Draft({ onSubmit }: { onSubmit: (item: UploadItem) => void }) {
  const [item, setItem] = useState(aDraft(file));
  return (
    <DraftForm
      item={item}
      onEdit={(details) => setItem({ ...item, details })}
      onSubmit={() => onSubmit(item)}
      onRemove={() => undefined}
    />
  );
}

describe('the upload form', () => {
  it('shows the default of the account and sends nothing unless it is changed', async () => {
    fakeApi({ [ME]: me('private') });
    const onSubmit = vi.fn();
    const { container } = renderAt(<Draft onSubmit={onSubmit} />);
    await waitFor(() => expect(screen.getByRole('radio', { name: /^Private/ })).toBeChecked());
    await expectAccessible(container);
    await userEvent.click(screen.getByRole('button', { name: 'Upload' }));
    expect(onSubmit.mock.lastCall?.[0]).toMatchObject({ details: { visibility: null } });
  });

  it('makes a draft with a time, which must be in the future', async () => {
    fakeApi({ [ME]: me('public') });
    const onSubmit = vi.fn();
    const { container } = renderAt(<Draft onSubmit={onSubmit} />);
    const user = userEvent.setup();
    expect(screen.queryByLabelText('Publish at')).toBeNull();
    await user.click(screen.getByRole('radio', { name: /^Draft/ }));
    const field = screen.getByLabelText('Publish at');
    await user.type(field, toLocalInput(later(-2).toISOString()));
    await user.click(screen.getByRole('button', { name: 'Upload' }));
    expect(onSubmit).not.toHaveBeenCalled();
    expect(field).toBeInvalid();
    expect(field).toHaveAccessibleDescription(/in the future/);
    await expectAccessible(container);

    const at = toLocalInput(later(5).toISOString());
    await user.clear(field);
    await user.type(field, at);
    await user.click(screen.getByRole('button', { name: 'Upload' }));
    expect(onSubmit.mock.lastCall?.[0]).toMatchObject({
      details: { visibility: 'draft', publishAt: fromLocalInput(at) },
    });

    await user.click(screen.getByRole('radio', { name: /^Unlisted/ }));
    await user.click(screen.getByRole('button', { name: 'Upload' }));
    expect(onSubmit.mock.lastCall?.[0]).toMatchObject({
      details: { visibility: 'unlisted', publishAt: null },
    });
  });
});

it('sends visibility and time as metadata', () => {
  const details = { title: 'T', description: '', tags: [], keepHdr: false };
  const publishAt = '2027-01-01T08:00:00.000Z';
  const sent = uploadMetadata(file, { ...details, visibility: 'draft', publishAt });
  expect(sent).toContain(`visibility ${btoa('draft')},publish_at ${btoa(publishAt)}`);
  const unsaid = uploadMetadata(file, { ...details, visibility: null, publishAt: null });
  expect(unsaid).not.toMatch(/visibility|publish_at/);
});

describe('the edit dialog', () => {
  const open = async () => {
    const user = userEvent.setup();
    await user.click(screen.getByRole('button', { name: 'Edit' }));
    return { user, dialog: within(screen.getByRole('dialog', { name: 'Edit video' })) };
  };

  it('turns a video into a draft with a time', async () => {
    const video = aVideo();
    const bodies: unknown[] = [];
    fakeApi({
      'PUT /api/v1/streaming/v1': () => success(video),
      'PATCH /api/v1/streaming/v1/visibility': async (request) => {
        bodies.push(await request.json());
        return success({ ...video, visibility: 'draft' });
      },
    });
    renderAt(<OwnerActions video={video} />);
    const { user, dialog } = await open();
    await user.click(dialog.getByRole('radio', { name: /^Draft/ }));
    const at = toLocalInput(later(24).toISOString());
    await user.type(dialog.getByLabelText('Publish at'), at);
    await expectAccessible(screen.getByRole('dialog'));
    await user.click(dialog.getByRole('button', { name: 'Save' }));
    await waitFor(() =>
      expect(bodies).toEqual([{ visibility: 'draft', publish_at: fromLocalInput(at) }]),
    );
  });

  it('takes the time of a draft away', async () => {
    const video = aVideo({ visibility: 'draft', publish_at: later(24).toISOString() });
    const bodies: unknown[] = [];
    fakeApi({
      'PUT /api/v1/streaming/v1': () => success(video),
      'PATCH /api/v1/streaming/v1/visibility': async (request) => {
        bodies.push(await request.json());
        return success(video);
      },
    });
    renderAt(<OwnerActions video={video} />);
    const { user, dialog } = await open();
    await user.clear(dialog.getByLabelText('Publish at'));
    await user.click(dialog.getByRole('button', { name: 'Save' }));
    await waitFor(() => expect(bodies).toEqual([{ visibility: 'draft' }]));
  });
});

describe('the default of the account', () => {
  const CHANGE = 'PATCH /api/v1/users/me';

  it('is changed by choosing another', async () => {
    const bodies: unknown[] = [];
    fakeApi({
      [ME]: me('unlisted'),
      [CHANGE]: async (request) => {
        bodies.push(await request.json());
        return success({});
      },
    });
    const { container } = renderAt(<DefaultVisibility current="public" />);
    await expectAccessible(container);
    await userEvent.click(screen.getByRole('radio', { name: /^Unlisted/ }));
    await waitFor(() => expect(bodies).toEqual([{ default_visibility: 'unlisted' }]));
  });

  it('stays as it was when the server says no', async () => {
    fakeApi({ [CHANGE]: () => failure(503, 'Down.') });
    renderAt(<DefaultVisibility current="private" />);
    await userEvent.click(screen.getByRole('radio', { name: /^Public/ }));
    expect(await screen.findByRole('alert')).toBeVisible();
    expect(screen.getByRole('radio', { name: /^Private/ })).toBeChecked();
  });
});

describe('a time of publication', () => {
  const now = Date.parse('2026-06-01T12:00:00Z');

  it.each([
    ['draft', null, null],
    ['draft', '2026-06-01T12:00:01Z', null],
    ['draft', '2026-06-01T12:00:00Z', 'Choose a time in the future.'],
    ['draft', '2027-06-03T12:00:00Z', 'Choose a time within a year.'],
    ['private', '2020-01-01T00:00:00Z', null],
  ] as const)('of a %s at %s', (visibility, publishAt, problem) => {
    expect(publishAtProblem({ visibility, publishAt }, now)).toBe(problem);
  });

  it('survives the way through the field, to the minute', () => {
    const iso = '2026-12-31T23:59:00.000Z';
    expect(fromLocalInput(toLocalInput(iso))).toBe(iso);
    expect(fromLocalInput('')).toBeNull();
    expect(fromLocalInput('nonsense')).toBeNull();
    expect(toLocalInput(null)).toBe('');
  });
});
