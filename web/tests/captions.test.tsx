import { screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import type { Captions } from '../src/api/models';
import { bestCaptions, storedChoice } from '../src/player/captionChoice';
import { cuesAt, parseCues, plainText, runsOf } from '../src/player/cues';
import { useCaptions } from '../src/player/useCaptions';
import { captionName } from '../src/player/captionName';
import { CaptionMenu } from '../src/player/CaptionMenu';
import { decodeText, languageOfFile } from '../src/videos/captionFiles';
import { expectAccessible, renderAt } from './stage';

import userEvent from '@testing-library/user-event';

const FILE = [
  'WEBVTT',
  'X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000',
  '',
  '00:00:01.000 --> 00:00:02.500 align:start',
  '<v Ada><i>Hello</i> &amp; bye</v>',
  'second line',
  '',
  '01:00:00.000 --> 01:00:01.000',
  '&lt;b&gt;',
  '',
].join('\n');

function track(language: string): Captions {
  return {
    language,
    kind: 'subtitles',
    label: `In ${language}`,
    origin: 'upload',
    url: `/media/public/${language}`,
  };
}

describe('cues', () => {
  const cues = parseCues(FILE);

  it('are read with their times and styles', () => {
    expect(cues.map((cue) => [cue.start, cue.end])).toEqual([
      [1, 2.5],
      [3600, 3601],
    ]);
    expect(runsOf(cues[0]?.text ?? '')).toEqual([
      { text: 'Hello', tags: ['v', 'i'] },
      { text: ' & bye', tags: ['v'] },
      { text: '\nsecond line', tags: [] },
    ]);
    expect(plainText(cues[1]?.text ?? '')).toBe('<b>');
  });

  it('are found by the moment', () => {
    expect(cuesAt(cues, 0.9)).toEqual([]);
    expect(cuesAt(cues, 1)).toEqual([cues[0]]);
    expect(cuesAt(cues, 2.5)).toEqual([]);
  });

  it('are none of anything else', () => {
    expect(parseCues('<html></html>')).toEqual([]);
  });
});

describe('languages', () => {
  const tracks = [track('de'), track('en-GB'), track('pt-BR')];

  it.each([
    ['pt-BR', [], 'pt-BR'],
    [null, ['fr', 'en-US'], 'en-GB'],
    ['xx', ['fr'], 'de'],
  ])('%s, of a reader of %j', (wanted, languages, found) => {
    expect(bestCaptions(tracks, wanted, languages)?.language).toBe(found);
  });

  it.each([
    ['film.pt-BR.srt', 'pt-BR'],
    ['film.pt_br.srt', 'pt-BR'],
    ['film.de-AT.vtt', 'de'],
    ['film.srt', 'en'],
    ['film.xx.srt', 'en'],
  ])('%s names its own', (name, language) => {
    expect(languageOfFile(name, 'en-US')).toBe(language);
  });

  it('come in files of several encodings', () => {
    const bytes = (...values: number[]) => new Uint8Array(values).buffer;
    expect(decodeText(bytes(0xc3, 0xa9))).toBe('é');
    expect(decodeText(bytes(0xe9, 0x20))).toBe('é ');
    expect(decodeText(bytes(0xff, 0xfe, 0xe9, 0))).toBe('é');
  });
});

it.each([
  ['In de', 'de', 'In de'],
  ['de', 'de', 'Deutsch'],
  ['und', 'und', 'Unknown language'],
])('%s in %s is called %s', (label, language, name) => {
  expect(captionName({ label, language })).toBe(name);
});

describe('the menu', () => {
  const tracks = [track('de'), track('fr')];

  function Menu() {
    return <CaptionMenu captions={useCaptions(tracks)} />;
  }

  it('is chosen from, and the choice is kept', async () => {
    localStorage.clear();
    const user = userEvent.setup();
    const { container } = renderAt(<Menu />);
    await user.click(screen.getByRole('button', { name: 'Captions' }));
    expect(screen.getByRole('radio', { name: 'Off' })).toBeChecked();
    await user.click(screen.getByRole('radio', { name: 'In fr' }));
    await user.click(screen.getByRole('radio', { name: 'Large' }));
    expect(screen.getByRole('button', { name: 'Captions, In fr' })).toBeVisible();
    expect(storedChoice()).toEqual({ language: 'fr', on: true, size: 2, ground: true });
    await expectAccessible(container);
    localStorage.setItem('cinelog.captions', 'nonsense');
    expect(storedChoice().on).toBe(false);
  });
});
