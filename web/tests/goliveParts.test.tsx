import { act, screen, within } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { answerAfterRestart, fragmentOf, iceServersOf } from '../src/golive/sdp';
import { measure } from '../src/golive/sending';
import HomePage from '../src/pages/HomePage';
import { ANSWER, OFFER } from './descriptions';
import { aVideo, fakeApi, renderAt, success } from './stage';

afterEach(() => {
  vi.useRealTimers();
});

describe('session descriptions', () => {
  it('give fragments with credentials and candidates', () => {
    expect(fragmentOf(OFFER, ['candidate:1'])).toBe(
      'a=ice-ufrag:mine\r\na=ice-pwd:secret\r\nm=video 9 UDP 96\r\na=mid:0\r\na=candidate:1\r\n',
    );
  });

  it('take the other side’s new credentials in all sections, its candidates in the first', () => {
    const answer = answerAfterRestart(
      ANSWER,
      'a=ice-ufrag:new\r\na=ice-pwd:newer\r\na=candidate:9\r\na=candidate:10\r\n',
    );
    expect(answer).toBe(
      'v=0\r\nm=video 9 UDP 96\r\na=ice-ufrag:new\r\na=ice-pwd:newer\r\na=candidate:9\r\na=candidate:10\r\nm=audio 9 UDP 97\r\na=ice-ufrag:new\r\na=ice-pwd:newer\r\n',
    );
  });

  it('name ICE servers in Link headers', () => {
    expect(
      iceServersOf(
        '<stun:a:1>; rel="ice-server", <turn:b?transport=udp>; rel="ice-server"; username="1:v"; credential="x=="; credential-type="password", </docs>; rel="help"',
      ),
    ).toEqual([
      { urls: 'stun:a:1' },
      { urls: 'turn:b?transport=udp', username: '1:v', credential: 'x==' },
    ]);
    expect(iceServersOf(null)).toEqual([]);
  });
});

describe('what is sent', () => {
  it('is counted, and what holds it back is known', () => {
    const reports = (more: object[]) =>
      new Map([{ type: 'outbound-rtp', bytesSent: 5 }, ...more].map((one, at) => [`${at}`, one]));
    const measured = (...more: object[]) => measure(reports(more));
    expect(measured()).toEqual({ bytes: 5, trouble: null });
    expect(measured({ type: 'remote-inbound-rtp', fractionLost: 0.2 }).trouble).toBe('network');
    expect(measured({ type: 'outbound-rtp', qualityLimitationReason: 'cpu' }).trouble).toBe(
      'device',
    );
    expect(measured({ type: 'outbound-rtp', qualityLimitationReason: 'bandwidth' }).trouble).toBe(
      'network',
    );
  });
});

describe('lives that run', () => {
  it('stand before other videos, and are gone when they end', async () => {
    const live = {
      started_at: '2026-01-02T03:04:05Z',
      connected: true,
      latency: 'low',
      viewers: 3,
    };
    const race = aVideo({ title: 'A race', status: 'live', live: { ...live, ended: false } });
    let lives = [race];
    fakeApi({
      'GET /api/v1/live/planned': () => success([]),
      'GET /api/v1/streaming/latest': ({ url }) => {
        const asked = new URL(url).searchParams.has('live') ? lives : [race, aVideo({ id: 'v2' })];
        return success({ data: asked, page: 1, page_size: 13, total: asked.length, cursor: null });
      },
    });
    vi.useFakeTimers({ shouldAdvanceTime: true });
    renderAt(<HomePage />);
    const region = await screen.findByRole('region', { name: 'Live now' });
    expect(within(region).getByText('LIVE')).toBeVisible();
    expect(within(region).getByRole('link', { name: 'A race' })).toBeVisible();
    // Once only: the others follow.
    expect(screen.getAllByRole('link', { name: 'A race' })).toHaveLength(1);
    expect(screen.getByRole('link', { name: 'Fog over the harbour' })).toBeVisible();
    lives = [];
    await act(() => vi.advanceTimersByTimeAsync(6_000));
    expect(screen.queryByRole('region', { name: 'Live now' })).toBeNull();
    expect(screen.getByRole('link', { name: 'A race' })).toBeVisible();
  });
});
