import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { expect, it } from 'vitest';

import { HdrChoice } from '../src/upload/HdrChoice';
import { looksLikeHdr } from '../src/upload/hdr';
import { uploadMetadata } from '../src/upload/tus';
import { expectAccessible, renderAt } from './stage';

const MATROSKA = [0x1a, 0x45, 0xdf, 0xa3];

function ascii(text: string): number[] {
  return Array.from(text, (each) => each.charCodeAt(0));
}

function box(kind: string, content: number[]): number[] {
  const size = content.length + 8;
  return [size >> 24, size >> 16, size >> 8, size, ...ascii(kind), ...content];
}

const colours = (kind: string, curve: number) =>
  box('colr', [...ascii(kind), 0, 9, 0, curve, 0, 9, 0]);
const clip = (...parts: number[][]) => new File([new Uint8Array(parts.flat())], 'clip.mp4');
const film = (curve: number, kind = 'nclx') =>
  clip(
    box('ftyp', ascii('isom')),
    box('mdat', new Array<number>(5000).fill(99)),
    box('moov', colours(kind, curve)),
  );

it.each([
  ['HLG of a phone, with its index at the end', film(18), true],
  ['PQ in QuickTime', film(16, 'nclc'), true],
  ['SDR', film(1), false],
  ['Matroska with PQ', clip(MATROSKA, [0, 0x55, 0xba, 0x81, 16]), true],
  ['Matroska with SDR', clip(MATROSKA, [0x55, 0xba, 0x81, 1]), false],
  ['colours among the pictures', clip(box('mdat', colours('nclx', 18))), false],
  ['a box without an end', clip([0, 0, 0, 0, ...ascii('free')]), false],
  ['a box that is cut short', clip([0, 0, 0, 1, ...ascii('mdat')]), false],
  ['nothing', clip([]), false],
])('finds HDR in a file: %s', async (_, file, hdr) => {
  expect(await looksLikeHdr(file)).toBe(hdr);
});

function Choice({ file }: { file: File }) {
  const [keep, setKeep] = useState(false);
  const details = { title: 'T', description: '', tags: [], visibility: null, publishAt: null };
  return (
    <>
      <HdrChoice file={file} keep={keep} onChange={setKeep} />
      <p>{uploadMetadata(file, { ...details, keepHdr: keep })}</p>
    </>
  );
}

it('asks whether HDR is kept, and sends the answer', async () => {
  const { container } = renderAt(<Choice file={film(18)} />);
  const choice = await screen.findByRole('checkbox', { name: 'Keep HDR' });
  expect(choice).not.toBeChecked();
  expect(container).not.toHaveTextContent('hdr ');
  await expectAccessible(container);
  await userEvent.click(choice);
  expect(choice).toBeChecked();
  expect(container).toHaveTextContent(`hdr ${btoa('keep')}`);
});

it('asks nothing of a film without HDR', async () => {
  const file = film(1);
  renderAt(<Choice file={file} />);
  await looksLikeHdr(file);
  expect(screen.queryByRole('checkbox')).toBeNull();
});
