import { render } from '@testing-library/react';
import { useRef } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { attachHls, type Kind } from '../src/player/attachHls';
import { useHls } from '../src/player/useHls';

vi.mock('../src/player/attachHls', () => ({
  attachHls: vi.fn(() => ({ detach: () => undefined })),
}));

function Watched({ src, kind }: { src: string; kind: Kind }) {
  const video = useRef<HTMLVideoElement>(null);
  useHls(video, src, kind, 0, { start: 0, autoplay: false });
  return (
    <video ref={video}>
      <track kind="captions" />
    </video>
  );
}

/** Where the playlist that was attached last began. */
function begun() {
  const [, src, start] = vi.mocked(attachHls).mock.lastCall ?? [];
  return { src, seconds: start?.seconds, playing: start?.playing };
}

describe('another playlist of the same video', () => {
  beforeEach(() => vi.mocked(attachHls).mockClear());

  function watching(kind: Kind) {
    const page = render(<Watched src="recorded.m3u8" kind={kind} />);
    const element = page.container.querySelector('video');
    if (!element) throw new Error('There is no player.');
    element.currentTime = 7;
    vi.spyOn(element, 'paused', 'get').mockReturnValue(false);
    return page;
  }

  it('goes on where the film was, and plays', () => {
    watching('film').rerender(<Watched src="encoded.m3u8" kind="film" />);
    expect(begun()).toEqual({ src: 'encoded.m3u8', seconds: 7, playing: true });
  });

  it('begins at the beginning where a live has become a film', () => {
    watching('live').rerender(<Watched src="recorded.m3u8?" kind="film" />);
    expect(begun()).toEqual({ src: 'recorded.m3u8?', seconds: 0, playing: false });
  });
});
