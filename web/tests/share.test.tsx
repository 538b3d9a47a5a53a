import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { Link } from 'react-router';
import { describe, expect, it } from 'vitest';

import { useHeadOfFirstPage } from '../src/app/useHeadOfFirstPage';
import { embedCode, readOptions } from '../src/embed/options';
import { playerPosition } from '../src/player/position';
import { parseStart, startQuery, startWithin } from '../src/player/startTime';
import { ShareButton } from '../src/watch/ShareButton';
import { aVideo, expectAccessible, fakeApi, renderAt } from './stage';

const PLAIN = { start: 0, autoplay: false, muted: false, loop: false };

describe('where a link begins', () => {
  it.each([
    ['90', 90],
    ['90s', 90],
    ['1m30s', 90],
    ['1h2m3s', 3723],
    ['2m', 120],
    ['1:30', 90],
    ['1:02:03', 3723],
  ])('reads %s', (text, seconds) => {
    expect(parseStart(text)).toBe(seconds);
  });

  it.each([null, '', 'soon', '-5', '1e9', '9'.repeat(20), '1:2:3:4', '<script>'])(
    'begins at the beginning for %s',
    (text) => {
      expect(parseStart(text)).toBe(0);
    },
  );

  it('is nowhere behind the end', () => {
    expect(startWithin(90, 60)).toBe(0);
    expect(startWithin(30, 60)).toBe(30);
    expect(startWithin(30, 0)).toBe(30);
    expect([startQuery(0), startQuery(61.7)]).toEqual(['', '?t=61']);
  });
});

describe('the code for other pages', () => {
  function frame(code: string) {
    const page = new DOMParser().parseFromString(code, 'text/html');
    return {
      frame: page.querySelector('iframe'),
      elements: page.body.querySelectorAll('*').length,
    };
  }

  it('is one frame, whatever the title', () => {
    const title = '"><script>alert(1)</script><img src=x onerror="a">';
    const made = frame(embedCode(aVideo({ title }), PLAIN, 'https://video.example.com'));
    expect(made.elements).toBe(1);
    expect(made.frame?.title).toBe(title);
    expect(made.frame?.src).toBe('https://video.example.com/embed/v1');
  });

  it('keeps the picture’s shape', () => {
    const upright = aVideo({ width: 1080, height: 1920 });
    const made = frame(embedCode(upright, PLAIN, 'https://video.example.com'));
    expect([made.frame?.width, made.frame?.height]).toEqual(['360', '640']);
  });

  it.each([
    PLAIN,
    { start: 90, autoplay: true, muted: true, loop: true },
    { start: 5, autoplay: false, muted: true, loop: false },
  ])('says what the player reads: %o', (options) => {
    const made = frame(embedCode(aVideo(), options, 'https://video.example.com'));
    expect(readOptions(new URL(made.frame?.src ?? '').search)).toEqual(options);
  });
});

describe('the head that the server wrote', () => {
  function Page() {
    useHeadOfFirstPage();
    return <Link to="/watch/v2">Another</Link>;
  }

  it('is that of the first page only', async () => {
    document.head.innerHTML =
      '<meta charset="utf-8"><link rel="icon" href="/i"><link rel="canonical" href="/watch/v1">' +
      '<meta property="og:title" content="One"><script type="application/ld+json">{}</script>';
    renderAt(<Page />, '/watch/v1');
    expect(document.head.children).toHaveLength(5);
    await userEvent.click(screen.getByText('Another'));
    expect([...document.head.children].map(({ tagName }) => tagName)).toEqual(['META', 'LINK']);
    document.head.innerHTML = '';
  });
});

describe('the share dialog', () => {
  const OEMBED = 'HEAD /oembed';

  async function open(video = aVideo(), status = 200) {
    fakeApi({ [OEMBED]: () => new Response(null, { status }) });
    const page = renderAt(<ShareButton video={video} />);
    await userEvent.click(screen.getByRole('button', { name: 'Share' }));
    return page;
  }

  const value = (label: string) => screen.getByLabelText<HTMLInputElement>(label).value;

  it('has a link, from this moment on if wanted, and says so in the code and the mail', async () => {
    playerPosition.set(83);
    const { container } = await open();
    const code = await screen.findByLabelText('Embed code');
    expect(code).toHaveProperty('value', expect.stringContaining('/embed/v1"'));
    expect(value('Link')).toBe(`${window.location.origin}/watch/v1`);
    await userEvent.click(screen.getByLabelText('Start at 1:23'));
    expect(value('Link')).toBe(`${window.location.origin}/watch/v1?t=83`);
    expect(value('Embed code')).toContain('/embed/v1?t=83"');
    await userEvent.click(screen.getByLabelText('Repeat'));
    expect(value('Embed code')).toContain('loop=1');
    const mail = screen.getByRole('link', { name: 'E-mail' }).getAttribute('href') ?? '';
    expect(new URL(mail).searchParams.get('body')).toBe(value('Link'));
    await expectAccessible(container);
    playerPosition.set(0);
  });

  it('has no code where the site lets nobody embed', async () => {
    await open(aVideo(), 403);
    expect(value('Link')).toContain('/watch/v1');
    expect(screen.queryByLabelText('Embed code')).toBeNull();
  });

  it('says that a private video’s link is for its owner', async () => {
    await open(aVideo({ visibility: 'private' }));
    expect(screen.getByText(/Only you can open this link/)).toBeTruthy();
    expect(screen.queryByLabelText('Embed code')).toBeNull();
  });
});
