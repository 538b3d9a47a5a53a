import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { type ReactElement, useState } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { UserMenu } from '../src/app/UserMenu';
import { session } from '../src/auth/session';
import { SettingsMenu } from '../src/player/SettingsMenu';
import type { Stream } from '../src/player/useHls';
import { usePlayerView } from '../src/player/usePlayerView';
import { fakeApi, renderAt, success, tokenFor } from './stage';

/** As in the layout: what is pressed and can't have the focus gives it to the whole page. */
function Main({ children }: { children: ReactElement }) {
  return (
    <main tabIndex={-1}>
      {children}
      <button type="button">Elsewhere</button>
    </main>
  );
}

const press = {
  mouse: (target: Element) => userEvent.pointer({ keys: '[MouseLeft]', target }),
  touch: (target: Element) => userEvent.pointer({ keys: '[TouchA]', target }),
};

const stream: Stream = {
  qualities: [
    { level: 1, label: '720p' },
    { level: 0, label: '360p' },
  ],
  chosen: -1,
  playing: '720p',
  error: null,
  away: false,
  choose: vi.fn(),
  sounds: [
    { track: 0, label: 'English' },
    { track: 1, label: 'Deutsch' },
  ],
  sound: 0,
  chooseSound: vi.fn(),
  timeline: () => null,
  goTo: vi.fn(),
  facts: () => null,
  frameRate: () => 25,
  retry: vi.fn(),
};

function Settings() {
  const [rate, setRate] = useState(1);
  const view = usePlayerView(false, undefined);
  return (
    <Main>
      <>
        <SettingsMenu stream={stream} rate={rate} onRate={setRate} view={view} />
        {view.help && <p>Help is shown</p>}
      </>
    </Main>
  );
}

const opener = () => screen.getByRole('button', { name: /^Settings/ });

describe('the settings', () => {
  it.each(['mouse', 'touch'] as const)('are chosen by %s', async (way) => {
    render(<Settings />);
    await press[way](opener());
    await press[way](screen.getByText('1.5×'));
    expect(screen.getByRole('radio', { name: '1.5×' })).toBeChecked();
    await press[way](screen.getByText('360p'));
    expect(stream.choose).toHaveBeenLastCalledWith(0);
    await press[way](screen.getByText('Deutsch'));
    expect(stream.chooseSound).toHaveBeenLastCalledWith(1);
    await press[way](screen.getByText('Loop'));
    expect(screen.getByRole('checkbox', { name: 'Loop' })).toBeChecked();
    await press[way](screen.getByText('Elsewhere'));
    expect(screen.queryByRole('radio')).toBeNull();
  });

  it('are chosen by the keyboard, and closed when it leaves them', async () => {
    render(<Settings />);
    const user = userEvent.setup();
    opener().focus();
    await user.keyboard('{Enter}');
    await user.tab();
    await user.tab();
    await user.tab();
    await user.keyboard('{ArrowDown}');
    expect(screen.getByRole('radio', { name: '1.25×' })).toBeChecked();
    await user.keyboard('{Escape}');
    expect(screen.queryByRole('radio')).toBeNull();
    expect(opener()).toHaveFocus();
    await user.keyboard('{Enter}');
    await press.mouse(screen.getByText('0.5×'));
    for (let tabs = 0; tabs < 3; tabs += 1) await user.tab();
    expect(screen.getByRole('button', { name: 'Shortcuts' })).toHaveFocus();
    await user.tab();
    expect(screen.queryByRole('radio')).toBeNull();
  });

  it('lead to the shortcuts', async () => {
    render(<Settings />);
    await press.mouse(opener());
    await press.mouse(screen.getByRole('button', { name: 'Shortcuts' }));
    expect(screen.getByText('Help is shown')).toBeVisible();
    expect(screen.queryByRole('radio')).toBeNull();
  });
});

describe('the account menu', () => {
  beforeEach(() => session.signIn({ accessToken: tokenFor(600), username: 'mara' }));

  it.each(['mouse', 'touch'] as const)('logs out by %s', async (way) => {
    fakeApi({ 'POST /api/v1/auth/logout': () => success({ message: 'ok' }) });
    renderAt(
      <Main>
        <UserMenu username="mara" />
      </Main>,
    );
    await press[way](screen.getByRole('button', { name: 'Account menu of mara' }));
    // Next to a link: the menu stays.
    await press[way](screen.getByText('Signed in as'));
    await press[way](screen.getByRole('button', { name: 'Log out' }));
    await vi.waitFor(() => expect(session.current).toBeNull());
    expect(screen.queryByRole('button', { name: 'Log out' })).toBeNull();
  });
});
