import { act, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { answerAfterRestart, fragmentOf, iceServersOf } from '../src/golive/sdp';
import { measure } from '../src/golive/sending';
import { LivesNow } from '../src/videos/LivesNow';
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
    let lives = [aVideo({ title: 'A race', status: 'live', live: { ...live, ended: false } })];
    const requests = fakeApi({
      'GET /api/v1/streaming/latest': () =>
        success({ data: lives, page: 1, page_size: 8, total: lives.length, cursor: null }),
    });
    vi.useFakeTimers({ shouldAdvanceTime: true });
    renderAt(<LivesNow userId={null} />);
    expect(await screen.findByRole('region', { name: 'Live now' })).toBeVisible();
    expect(screen.getByText('LIVE')).toBeVisible();
    expect(requests[0]?.url).toContain('live=true');
    lives = [];
    await act(() => vi.advanceTimersByTimeAsync(6_000));
    expect(screen.queryByRole('region', { name: 'Live now' })).toBeNull();
  });
});
