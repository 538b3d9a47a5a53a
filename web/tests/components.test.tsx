import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { session } from '../src/auth/session';
import { JobProgress } from '../src/jobs/JobProgress';
import LoginPage from '../src/pages/LoginPage';
import SignUpPage from '../src/pages/SignUpPage';
import { TagInput } from '../src/ui/TagInput';
import { OwnerActions } from '../src/videos/OwnerActions';
import { Pagination } from '../src/videos/Pagination';
import { VideoCard } from '../src/videos/VideoCard';
import { ProcessingNotice } from '../src/watch/ProcessingNotice';
import { TagList } from '../src/videos/TagList';
import { aJob, aVideo, expectAccessible, failure, fakeApi, renderAt, success } from './stage';

beforeEach(() => session.signOut());

describe('VideoCard', () => {
  it('is one link with a spoken duration', async () => {
    const { container } = renderAt(<VideoCard video={aVideo()} />);
    expect(screen.getByRole('link', { name: 'Fog over the harbour' })).toHaveAttribute(
      'href',
      '/watch/v1',
    );
    expect(screen.getByText('1:30')).toBeVisible();
    expect(screen.getByText('1 minute 30 seconds')).toBeInTheDocument();
    expect(screen.getByText('12.3K views')).toBeVisible();
    await expectAccessible(container);
  });

  it('says when there is nothing to watch yet', () => {
    renderAt(<VideoCard video={aVideo({ video: '', thumbnail: '', status: 'processing' })} />);
    expect(screen.getByText('Processing')).toBeVisible();
  });
});

describe('Pagination', () => {
  it('marks the current page and leads to the others', async () => {
    const { container } = renderAt(<Pagination page={2} pageSize={12} total={60} />, '/?page=2');
    expect(screen.getByRole('link', { current: 'page' })).toHaveTextContent('2');
    expect(screen.getByRole('link', { name: 'Next page' })).toHaveAttribute('href', '/?page=3');
    expect(screen.getByRole('link', { name: 'Previous page' })).toHaveAttribute('href', '/');
    await expectAccessible(container);
  });

  it('is not there for one page', () => {
    renderAt(<Pagination page={1} pageSize={12} total={12} />);
    expect(screen.queryByRole('navigation')).not.toBeInTheDocument();
  });
});

describe('TagInput', () => {
  it('adds with Enter and comma, takes back with Backspace', async () => {
    function Form() {
      const [tags, setTags] = useState<string[]>([]);
      return <TagInput label="Tags" tags={tags} onChange={setTags} />;
    }
    const { container } = renderAt(<Form />);
    const user = userEvent.setup();
    await user.type(screen.getByLabelText('Tags'), 'fog{Enter}sea,Fog{Enter}');
    const chips = () =>
      screen.queryAllByRole('button').map((chip) => chip.getAttribute('aria-label'));
    expect(chips()).toEqual(['Remove tag fog', 'Remove tag sea']);
    await user.type(screen.getByLabelText('Tags'), '{Backspace}');
    expect(chips()).toEqual(['Remove tag fog']);
    await expectAccessible(container);
  });
});

describe('logging in', () => {
  it('shows why it failed, then signs in', async () => {
    let tries = 0;
    fakeApi({
      'POST /api/v1/auth/login': () => {
        tries += 1;
        return tries === 1
          ? failure(401, 'The username or the password is wrong.')
          : success({ access_token: 'a', refresh_token: 'r', user: 'mara' });
      },
    });
    const { container } = renderAt(<LoginPage />, '/login?next=%2Fupload', '/login');
    const user = userEvent.setup();
    await expectAccessible(container);
    await user.type(screen.getByLabelText('Username'), ' mara ');
    await user.type(screen.getByLabelText('Password'), 'password');
    await user.click(screen.getByRole('button', { name: 'Log in' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('password is wrong');
    await user.click(screen.getByRole('button', { name: 'Log in' }));
    await waitFor(() => expect(session.current?.username).toBe('mara'));
  });
});

describe('signing up', () => {
  it('tells what is wrong at the field and goes there', async () => {
    const requests = fakeApi({});
    const { container } = renderAt(<SignUpPage />);
    const user = userEvent.setup();
    await user.type(screen.getByLabelText('Username'), 'mara');
    await user.type(screen.getByLabelText('E-mail'), 'nonsense');
    await user.type(screen.getByLabelText('Password'), 'short');
    await user.click(screen.getByRole('button', { name: 'Create account' }));
    expect(screen.getByLabelText('E-mail')).toHaveFocus();
    expect(screen.getByLabelText('E-mail')).toBeInvalid();
    expect(screen.getByLabelText('Username')).toBeValid();
    expect(screen.getByText('At least 8 characters.')).toBeVisible();
    expect(requests).toHaveLength(0);
    await expectAccessible(container);
  });
});

describe('OwnerActions', () => {
  it('asks before deleting', async () => {
    const requests = fakeApi({ 'DELETE /api/v1/streaming/v1': () => success({ message: 'ok' }) });
    const onDeleted = vi.fn();
    renderAt(<OwnerActions video={aVideo()} onDeleted={onDeleted} />);
    const user = userEvent.setup();
    await user.click(screen.getByRole('button', { name: 'Delete' }));
    const dialog = screen.getByRole('dialog', { name: 'Delete this video?' });
    const deleting = () => requests.filter(({ method }) => method === 'DELETE');
    expect(deleting()).toHaveLength(0);
    await expectAccessible(dialog);
    await user.click(within(dialog).getByRole('button', { name: 'Delete' }));
    await waitFor(() => expect(onDeleted).toHaveBeenCalled());
    expect(deleting()).toHaveLength(1);
  });

  it('keeps the edit open when saving fails', async () => {
    fakeApi({ 'PUT /api/v1/streaming/v1': () => failure(400, 'The title is too long.') });
    renderAt(<OwnerActions video={aVideo()} />);
    const user = userEvent.setup();
    await user.click(screen.getByRole('button', { name: 'Edit' }));
    const dialog = screen.getByRole('dialog', { name: 'Edit video' });
    await user.type(within(dialog).getByLabelText('Title'), '!');
    await user.click(within(dialog).getByRole('button', { name: 'Save' }));
    expect(await within(dialog).findByRole('alert')).toHaveTextContent('too long');
  });
});

describe('TagList', () => {
  it('lets only the owner change tags', async () => {
    const requests = fakeApi({ 'POST /api/v1/tags/v1': () => success({ message: 'ok' }) });
    const visitor = renderAt(<TagList video={aVideo()} editable={false} />);
    expect(screen.queryByRole('button')).not.toBeInTheDocument();
    visitor.unmount();
    const { container } = renderAt(<TagList video={aVideo()} editable />);
    await userEvent.type(screen.getByLabelText('Add a tag'), '#Sea{Enter}');
    await waitFor(() => expect(requests).toHaveLength(1));
    expect(await requests[0]?.json()).toEqual({ tags: ['Sea'] });
    await expectAccessible(container);
  });
});

describe('processing', () => {
  it('reports progress to eyes and ears', async () => {
    const { container } = renderAt(<JobProgress job={aJob({ progress: 63 })} />);
    expect(screen.getByRole('progressbar')).toHaveAttribute('aria-valuenow', '63');
    expect(screen.getByText('Preparing for playback, 50 percent')).toHaveRole('status');
    await expectAccessible(container);
  });

  it('shows the owner why it failed and tries again', async () => {
    const job = aJob({ status: 'failed', error_message: 'The file ends before its index.' });
    const requests = fakeApi({
      'GET /api/v1/jobs/v1': () => success(job),
      'POST /api/v1/jobs/v1/retry': () => success({ job_id: 'v1', status: 'pending' }, 202),
    });
    const video = aVideo({ video: '', status: 'failed' });
    const { container } = renderAt(<ProcessingNotice video={video} mine />);
    expect(await screen.findByRole('alert')).toHaveTextContent('ends before its index');
    await expectAccessible(container);
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await waitFor(() =>
      expect(requests.some((request) => request.url.endsWith('/retry'))).toBe(true),
    );
  });

  it('tells a visitor only that it will come', () => {
    const video = aVideo({ video: '', status: 'processing' });
    renderAt(<ProcessingNotice video={video} mine={false} />);
    expect(screen.getByText(/will start here by itself/)).toHaveRole('status');
  });
});
