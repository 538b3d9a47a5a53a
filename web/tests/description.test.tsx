import { fireEvent, screen } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';

import { chapterAt } from '../src/player/chapters';
import { playerJumps } from '../src/player/jumps';
import { playerPosition } from '../src/player/position';
import { ChapterList } from '../src/watch/ChapterList';
import { Description } from '../src/watch/Description';
import { beginningOf, piecesOf } from '../src/watch/richText';
import { aVideo, expectAccessible, renderAt } from './stage';

const HOUR = 3600;

function links(text: string): string[] {
  return piecesOf(text, HOUR).flatMap((piece) => (piece.kind === 'link' ? [piece.text] : []));
}

function moments(text: string): number[] {
  return piecesOf(text, HOUR).flatMap((piece) => (piece.kind === 'moment' ? [piece.seconds] : []));
}

describe('a description', () => {
  it.each([
    ['See https://example.com/a?b=c#d.', ['https://example.com/a?b=c#d']],
    [
      '(https://example.com/a_(b)), http://b.example!',
      ['https://example.com/a_(b)', 'http://b.example'],
    ],
    ['<https://example.com>', ['https://example.com']],
    ['HTTPS://EXAMPLE.COM/x', ['HTTPS://EXAMPLE.COM/x']],
    ['javascript:alert(1) data:text/html,x ftp://example.com file:///etc/passwd', []],
    ['https://bank.example@evil.example/ https://', []],
    ['"https://example.com/"onclick="alert(1)', ['https://example.com/']],
  ])('%s has links', (text, expected) => {
    expect(links(text)).toEqual(expected);
  });

  it.each([
    ['0:00 Intro', [0]],
    ['at 1:30, (2:05) and 12:34.', [90, 125, 754]],
    ['1:30-2:00', [90, 120]],
    ['0:59:59 but not 1:00:00, behind the end', [3599]],
    ['1:75 1:5 12:34:56:78 3.1:30 16:9 a1:30 12345:00', []],
    ['https://example.com/1:30', []],
  ])('%s has moments', (text, expected) => {
    expect(moments(text)).toEqual(expected);
  });

  it('loses no letter', () => {
    const text = '\n0:10 a https://example.com).\t\u{1f3ac} 1:30:\n';
    expect(
      piecesOf(text, HOUR)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(text);
  });

  it('is short at first', () => {
    expect(beginningOf('a\nb')).toBe('a\nb');
    expect(beginningOf('1\n2\n3\n4\n5\n6\n7')).toBe('1\n2\n3\n4\n5\n6');
    expect(beginningOf('word '.repeat(200)).length).toBeLessThanOrEqual(400);
    expect(beginningOf('x'.repeat(500))).toHaveLength(400);
  });

  it('leads away without giving anything away, and into the film', async () => {
    const video = aVideo({
      description: `${'line\n'.repeat(6)}https://example.com/a at 0:03`,
      duration_ms: 10_000,
    });
    const { container } = renderAt(<Description video={video} />);
    expect(screen.queryByRole('link')).toBeNull();
    fireEvent.click(screen.getByRole('button', { name: 'Show more' }));
    const away = screen.getByRole('link', { name: 'https://example.com/a' });
    expect(away.getAttribute('rel')).toBe('nofollow noopener noreferrer ugc');
    const moment = screen.getByRole('link', { name: '0:03' });
    expect(moment.getAttribute('href')).toBe(`/watch/${video.id}?t=3`);
    const jump = vi.fn();
    const leave = playerJumps.listen(jump);
    expect(fireEvent.click(moment)).toBe(false);
    expect(jump).toHaveBeenCalledExactlyOnceWith(3);
    expect(fireEvent.click(moment, { ctrlKey: true })).toBe(true);
    leave();
    expect(jump).toHaveBeenCalledTimes(1);
    await expectAccessible(container);
  });
});

describe('chapters', () => {
  const chapters = [
    { start_ms: 0, end_ms: 4000, title: 'Intro' },
    { start_ms: 4000, end_ms: 10_000, title: 'Up the hill' },
  ];

  it('are found by the moment', () => {
    expect(chapterAt(chapters, 3.9)?.title).toBe('Intro');
    expect(chapterAt(chapters, 4)?.title).toBe('Up the hill');
    expect(chapterAt([], 4)).toBeNull();
  });

  it('are a list that marks what plays', async () => {
    playerPosition.set(5);
    const video = aVideo({ chapters });
    const { container } = renderAt(<ChapterList video={video} />);
    const [first, second] = screen.getAllByRole('link');
    expect(first?.getAttribute('href')).toBe(`/watch/${video.id}`);
    expect(second?.getAttribute('href')).toBe(`/watch/${video.id}?t=4`);
    expect(first?.getAttribute('aria-current')).toBeNull();
    expect(second?.getAttribute('aria-current')).toBe('true');
    await expectAccessible(container);
    playerPosition.set(0);
  });
});
