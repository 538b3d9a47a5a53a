import { act, fireEvent, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import type { Video } from '../src/api/models';
import { parseCues } from '../src/player/cues';
import { playerJumps } from '../src/player/jumps';
import { playerPosition } from '../src/player/position';
import { Transcript } from '../src/watch/Transcript';
import { fileName, lineAt, linesOf, linesWith, textOf } from '../src/watch/transcript';
import { expectAccessible, fakeApi, renderAt } from './stage';

function file(count: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const cue = (index: number) => {
    const at = `00:${two(Math.floor(index / 60))}:${two(index % 60)}`;
    return `${at}.500 --> ${at}.900\nLine number ${index}\n`;
  };
  return ['WEBVTT\n', ...Array.from({ length: count }, (_, index) => cue(index))].join('\n');
}

const FILM = {
  id: 'f1',
  title: 'A film: part 1/2',
  captions: [
    { language: 'en', kind: 'subtitles', label: 'English', origin: 'upload', url: '/media/x/en' },
    { language: 'he', kind: 'subtitles', label: 'he', origin: 'file', url: '/media/x/he' },
  ],
} as unknown as Video;

class Sight {
  observe() {}
  disconnect() {}
}

describe('a text to read', () => {
  const lines = linesOf(
    parseCues(
      'WEBVTT\n\n00:00:01.500 --> 00:00:02.000\n<i>Über</i>\nalle\n\n' +
        '00:00:02.000 --> 00:00:03.000\nÜber alle\n\n00:01:00.000 --> 00:01:01.000\nBye &amp; bye\n',
    ),
  );

  it('has no line twice in turn', () => {
    expect(lines).toEqual([
      { start: 1.5, text: 'Über alle' },
      { start: 60, text: 'Bye & bye' },
    ]);
    expect(textOf(lines)).toBe('0:01  Über alle\n1:00  Bye & bye\n');
  });

  it('is searched by words, whatever their accents', () => {
    expect(linesWith(lines, 'ALLE uber')).toEqual([lines[0]]);
    expect(linesWith(lines, ' ')).toBe(lines);
    expect(linesWith(lines, 'nothing')).toEqual([]);
  });

  it.each([
    [0, -1],
    [1, 0],
    [59, 0],
    [60, 1],
    [9999, 1],
  ])('is at second %i in line %i', (seconds, line) => {
    expect(lineAt(lines, seconds)).toBe(line);
  });

  it('gets a name that every system takes', () => {
    expect(fileName('A: b/c\u202e', 'en')).toBe('A b c.en.txt');
    expect(fileName('??', 'en')).toBe('transcript.en.txt');
  });
});

describe('the panel', () => {
  beforeEach(() => {
    vi.stubGlobal('IntersectionObserver', Sight);
    vi.stubGlobal('matchMedia', () => ({ matches: false }));
    act(() => playerPosition.set(0));
  });

  async function opened(count: number) {
    fakeApi({
      'GET /media/x/en': () => new Response(file(count)),
      'GET /media/x/he': () => new Response('WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nשלום\n'),
    });
    const user = userEvent.setup();
    const stage = renderAt(<Transcript video={FILM} />);
    await user.click(screen.getByRole('button', { name: 'Transcript' }));
    await screen.findByRole('link', { name: /Line number 0$/ });
    return { user, ...stage };
  }

  it('is folded until it is opened, and is accessible', async () => {
    const { container, user } = await opened(3);
    expect(screen.getByRole('button', { name: 'Transcript' })).toHaveAttribute(
      'aria-expanded',
      'true',
    );
    await expectAccessible(container);
    await user.selectOptions(screen.getByLabelText('Language of the transcript'), 'he');
    expect(await screen.findByText('שלום')).toHaveAttribute('dir', 'auto');
    expect(screen.getByRole('list', { name: 'Transcript' })).toHaveAttribute('lang', 'he');
  });

  it('marks what is heard, and is one stop of the tab key, there', async () => {
    await opened(200);
    act(() => playerPosition.set(130));
    const list = screen.getByRole('list', { name: 'Transcript' });
    const present = within(list).getByRole('link', { current: true });
    expect(present).toHaveTextContent('Line number 130');
    const stops = within(list)
      .getAllByRole('link')
      .filter((link) => link.tabIndex === 0);
    expect(stops).toEqual([present]);
  });

  it('draws links only where they are needed, and all of the text', async () => {
    await opened(3000);
    const list = screen.getByRole('list', { name: 'Transcript' });
    expect(within(list).getAllByRole('link').length).toBeLessThan(100);
    expect(list.textContent).toContain('Line number 2999');
  });

  it('leads to moments by click, by Enter, and from line to line by arrows', async () => {
    const { user } = await opened(100);
    const jumps: number[] = [];
    const leave = playerJumps.listen((seconds) => jumps.push(seconds));
    await user.click(screen.getByRole('link', { name: /Line number 2$/ }));
    await user.keyboard('{ArrowDown}{Enter}');
    expect(jumps).toEqual([2.5, 3.5]);
    const list = screen.getByRole('list', { name: 'Transcript' });
    fireEvent.keyDown(list, { key: 'End' });
    expect(screen.getByRole('link', { name: /Line number 99$/ })).toHaveFocus();
    await user.keyboard('{Home}{ArrowUp}{PageDown}');
    expect(screen.getByRole('link', { name: /Line number 10$/ })).toHaveFocus();
    for (let index = 0; index < 30; index += 1) fireEvent.keyDown(list, { key: 'ArrowDown' });
    expect(screen.getByRole('link', { name: /Line number 40$/ })).toHaveFocus();
    fireEvent.keyDown(list, { key: 'ArrowUp' });
    expect(screen.getByRole('link', { name: /Line number 39$/ })).toHaveFocus();
    leave();
  });

  it('is searched, and Enter goes to the first line found', async () => {
    const { user } = await opened(100);
    const jumps: number[] = [];
    const leave = playerJumps.listen((seconds) => jumps.push(seconds));
    await user.type(screen.getByRole('searchbox'), 'number 7');
    expect(await screen.findByText('19 lines')).toBeVisible();
    await user.keyboard('{Enter}');
    expect(jumps).toEqual([7.5]);
    leave();
  });

  it('is copied', async () => {
    const { user } = await opened(2);
    const written = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
    await user.click(screen.getByRole('button', { name: 'Copy the transcript' }));
    expect(written).toHaveBeenCalledWith('0:00  Line number 0\n0:01  Line number 1\n');
    expect(await screen.findByText('The transcript is copied.')).toBeVisible();
  });
});
