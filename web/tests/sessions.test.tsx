import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';

import { Sessions } from '../src/account/Sessions';
import { session } from '../src/auth/session';
import { expectAccessible, failure, fakeApi, renderAt, success, tokenFor } from './stage';

const LIST = 'GET /api/v1/users/me/sessions';
const END_ALL = 'DELETE /api/v1/users/me/sessions';

const sessions = () =>
  success([
    {
      id: 's1',
      created_at: '2026-11-22T10:00:00Z',
      last_used_at: '2026-11-22T10:00:00Z',
      expires_at: '2026-12-22T10:00:00Z',
      user_agent: 'Firefox',
      current: true,
    },
  ]);

beforeEach(() => {
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});

describe('Sessions', () => {
  it('ends all of them, this one too', async () => {
    const requests = fakeApi({ [LIST]: sessions, [END_ALL]: () => success({ message: 'Done.' }) });
    const { container } = renderAt(<Sessions />, '/account');
    expect(await screen.findByText('This session')).toBeVisible();
    await expectAccessible(container);
    await userEvent.click(screen.getByRole('button', { name: 'Log out everywhere' }));
    await waitFor(() => expect(session.current).toBeNull());
    expect(requests.map((request) => request.method)).toContain('DELETE');
  });

  it('keeps this one when the server says no', async () => {
    fakeApi({ [LIST]: sessions, [END_ALL]: () => failure(503, 'Down.') });
    renderAt(<Sessions />, '/account');
    await userEvent.click(await screen.findByRole('button', { name: 'Log out everywhere' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('briefly unavailable');
    expect(session.current).not.toBeNull();
  });
});
