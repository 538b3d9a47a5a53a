import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, expect, it } from 'vitest';

import { DeleteAccount } from '../src/account/DeleteAccount';
import { EmailForm } from '../src/account/EmailForm';
import { session } from '../src/auth/session';
import { expectAccessible, fakeApi, json, renderAt, success, tokenFor } from './stage';

const asks = () =>
  json(
    {
      success: false,
      error: {
        code: 403,
        type: 'reauthentication_required',
        message: 'Confirm with your password.',
      },
    },
    403,
  );

beforeEach(() => {
  session.signIn({ accessToken: tokenFor(600), username: 'mara' });
});

it('asks for the password before the e-mail address changes, if the server wants it', async () => {
  const bodies: unknown[] = [];
  fakeApi({
    'PATCH /api/v1/users/email': async (request) => {
      const body = (await request.json()) as { password?: string };
      bodies.push(body);
      return body.password === 'secret' ? success({}) : asks();
    },
  });
  const { container } = renderAt(<EmailForm current="a@example.org" />);
  const user = userEvent.setup();
  expect(screen.queryByLabelText('Confirm with your password')).toBeNull();
  await user.clear(screen.getByRole('textbox', { name: 'E-mail' }));
  await user.type(screen.getByRole('textbox', { name: 'E-mail' }), 'b@example.org');
  await user.click(screen.getByRole('button', { name: 'Change e-mail' }));
  const field = await screen.findByLabelText('Confirm with your password');
  await expectAccessible(container);
  expect(screen.getByRole('button', { name: 'Change e-mail' })).toBeDisabled();
  await user.type(field, 'secret');
  await user.click(screen.getByRole('button', { name: 'Change e-mail' }));
  await waitFor(() => expect(bodies).toHaveLength(2));
  expect(bodies).toEqual([
    { email: 'b@example.org' },
    { email: 'b@example.org', password: 'secret' },
  ]);
  await waitFor(() => expect(screen.queryByLabelText('Confirm with your password')).toBeNull());
});

it('asks for the password before the account is deleted, if the server wants it', async () => {
  const bodies: unknown[] = [];
  fakeApi({
    'DELETE /api/v1/users/u1': async (request) => {
      const body = (await request.json()) as { password?: string };
      bodies.push(body);
      return body.password === 'secret' ? success({}) : asks();
    },
  });
  const { container } = renderAt(<DeleteAccount userId="u1" />);
  const user = userEvent.setup();
  await user.click(screen.getByRole('button', { name: 'Delete my account' }));
  await user.click(screen.getByRole('button', { name: 'Delete everything' }));
  await user.type(await screen.findByLabelText('Confirm with your password'), 'secret');
  await expectAccessible(container);
  await user.click(screen.getByRole('button', { name: 'Delete everything' }));
  await waitFor(() => expect(session.current).toBeNull());
  expect(bodies).toEqual([{}, { password: 'secret' }]);
});
