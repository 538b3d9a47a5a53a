import { screen } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import TimelinePage from '../src/pages/TimelinePage';
import { elapsed, stepFacts, stepMood, stepTitle } from '../src/timeline/wording';
import { expectAccessible, failure, fakeApi, renderAt, success } from './stage';

const at = '2026-01-02T03:04:05Z';

describe('the words of a story', () => {
  it('knows its steps, and keeps the names of new ones', () => {
    expect(stepTitle({ type: 'VideoPlayable', data: {} })).toBe('Playable');
    expect(stepTitle({ type: 'CaptionsWritten', data: {} })).toBe('Captions Written');
  });

  it('tells an attempt that decodes the file as a whole from one that somebody asked for', () => {
    expect(stepTitle({ type: 'TranscodeRetried', data: { plain: false } })).toBe('Trying again');
    expect(stepTitle({ type: 'TranscodeRetried', data: { plain: true } })).toContain(
      'Decoding the whole file',
    );
  });

  it('tells good from bad', () => {
    expect(stepMood({ type: 'TranscodeCompleted', at, data: {} })).toBe('good');
    expect(stepMood({ type: 'ChunkEncoded', at, data: {}, error: 'Out of memory' })).toBe('bad');
    expect(stepMood({ type: 'TranscodeFailed', at, data: {} })).toBe('bad');
    expect(stepMood({ type: 'ChunkEncoded', at, data: {} })).toBe('plain');
  });

  it.each([
    [380, '0.4 s'],
    [12_400, '12 s'],
    [120_000, '2 min'],
    [185_000, '3 min 5 s'],
  ])('%d ms are %s', (ms, text) => {
    expect(elapsed(ms)).toBe(text);
  });

  it('says only what is worth saying', () => {
    const step = { type: 'ChunkEncoded', at, data: {} };
    expect(stepFacts({ ...step, wait_ms: 5, duration_ms: 1_500, worker: 'w1', tries: 1 })).toEqual([
      'took 1.5 s',
      'on w1',
    ]);
    expect(stepFacts({ ...step, wait_ms: 2_000, tries: 2, attempt: 3 })).toEqual([
      'waited 2.0 s',
      'at try 2',
      'attempt 3',
    ]);
  });
});

describe('the page', () => {
  const path = 'GET /api/v1/videos/v1/timeline';

  it('shows each step and what ffmpeg said last', async () => {
    fakeApi({
      [path]: () =>
        success({
          video_id: 'v1',
          ended: true,
          attempts: 1,
          upload_ms: 1_200,
          playable_after_ms: null,
          total_ms: null,
          progress: 10,
          steps: [
            { type: 'UploadStarted', at, data: {} },
            {
              type: 'TranscodePlanned',
              at,
              data: { notes: [{ code: 'sound_left_out', text: 'A sound track was left out.' }] },
            },
            {
              type: 'TranscodeFailed',
              at: '2026-01-02T03:04:09Z',
              error: 'The file ends too early.',
              detail: 'moov atom not found',
              data: {},
            },
          ],
        }),
    });
    const { container } = renderAt(<TimelinePage />, '/watch/v1/story', '/watch/:videoId/story');
    expect(await screen.findByText('The file ends too early.')).toBeVisible();
    expect(screen.getByText('moov atom not found')).toBeVisible();
    expect(screen.getByText('A sound track was left out.')).toBeVisible();
    expect(screen.getByText('+4.0 s')).toBeVisible();
    await expectAccessible(container);
  });

  it('shows why it can’t be shown', async () => {
    fakeApi({ [path]: () => failure(403, 'This video belongs to somebody else.') });
    renderAt(<TimelinePage />, '/watch/v1/story', '/watch/:videoId/story');
    expect(await screen.findByRole('alert')).toHaveTextContent('somebody else');
  });
});
