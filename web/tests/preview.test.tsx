import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { VideoCard } from '../src/videos/VideoCard';
import { aVideo, renderAt } from './stage';

function littleMotion(wanted: boolean) {
  vi.stubGlobal('matchMedia', () => ({ matches: wanted }));
}

function previews(container: HTMLElement) {
  return container.querySelectorAll('img[src="/media/p.webp"]');
}

afterEach(() => vi.unstubAllGlobals());

describe('a preview', () => {
  it('plays while a mouse rests on the card, and is not loaded before', async () => {
    littleMotion(false);
    const video = aVideo({ preview: '/media/p.webp' });
    const { container } = renderAt(<VideoCard video={video} />);
    const card = screen.getByRole('article');
    expect(previews(container)).toHaveLength(0);
    await userEvent.hover(card);
    expect(previews(container)).toHaveLength(1);
    await userEvent.unhover(card);
    expect(previews(container)).toHaveLength(0);
  });

  it('leaves alone who touches, or wants little motion', async () => {
    littleMotion(false);
    const video = aVideo({ preview: '/media/p.webp' });
    const { container } = renderAt(<VideoCard video={video} />);
    const card = screen.getByRole('article');
    await userEvent.pointer({ keys: '[TouchA>]', target: card });
    expect(previews(container)).toHaveLength(0);
    littleMotion(true);
    await userEvent.hover(card);
    expect(previews(container)).toHaveLength(0);
  });

  it('is missed by nobody where there is none', async () => {
    littleMotion(false);
    renderAt(<VideoCard video={aVideo({ preview: null })} />);
    await userEvent.hover(screen.getByRole('article'));
    expect(screen.getByRole('link', { name: 'Fog over the harbour' })).toBeVisible();
  });
});
