import { describe, expect, it } from 'vitest';

import { deviceName, isPhone } from '../src/account/device';
import { countOf, formatViews, totalOf } from '../src/format/count';
import { clockFromText, formatClock, spokenDuration } from '../src/format/duration';
import { formatBytes } from '../src/format/size';
import { timeAgo } from '../src/format/time';

describe('durations', () => {
  it.each([
    [0, '0:00'],
    [999, '0:00'],
    [59_999, '0:59'],
    [83_000, '1:23'],
    [3_600_000, '1:00:00'],
    [3_723_000, '1:02:03'],
    [-5, '0:00'],
  ])('%d ms is %s on the clock', (ms, clock) => {
    expect(formatClock(ms)).toBe(clock);
  });

  it.each([
    ['45s', '0:45'],
    ['1:30', '1:30'],
    ['', ''],
  ])('reads the API’s %s', (text, clock) => {
    expect(clockFromText(text)).toBe(clock);
  });

  it('speaks in words', () => {
    expect(spokenDuration(3_723_000)).toBe('1 hour 2 minutes 3 seconds');
    expect(spokenDuration(61_000)).toBe('1 minute 1 second');
    expect(spokenDuration(0)).toBe('0 seconds');
  });
});

describe('numbers', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KB'],
    [52_428_800, '50 MB'],
    [21_474_836_480, '20 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('counts views and things', () => {
    expect(formatViews(0)).toBe('No views yet');
    expect(formatViews(1)).toBe('1 view');
    expect(formatViews(12_345)).toBe('12.3K views');
    expect(countOf(1, 'video')).toBe('1 video');
    expect(countOf(1234, 'video')).toBe('1,234 videos');
  });
});

describe('timeAgo', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  it.each([
    ['2026-03-01T11:59:30Z', 'just now'],
    ['2026-03-01T12:00:30Z', 'just now'],
    ['2026-03-01T11:57:00Z', '3 minutes ago'],
    ['2026-03-01T07:00:00Z', '5 hours ago'],
    ['2026-02-28T12:00:00Z', 'yesterday'],
    ['2025-03-01T12:00:00Z', 'last year'],
    ['nonsense', ''],
  ])('%s is %s', (iso, text) => {
    expect(timeAgo(iso, now)).toBe(text);
  });
});

describe('device names', () => {
  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0 Safari/537.36', 'Chrome on Linux'],
    ['Mozilla/5.0 (Windows NT 10.0) Chrome/130.0 Safari/537.36 Edg/130.0', 'Edge on Windows'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1', 'Safari on iPhone'],
    ['curl/8.5.0', 'curl'],
    ['', 'Unknown device'],
  ])('%s', (agent, name) => {
    expect(deviceName(agent)).toBe(name);
  });

  it('tells phones', () => {
    expect(isPhone('Mozilla/5.0 (Linux; Android 15) Mobile Safari')).toBe(true);
    expect(isPhone('Mozilla/5.0 (X11; Linux x86_64)')).toBe(false);
  });
});

describe('the total of a list', () => {
  it('says where it is an estimate', () => {
    expect(totalOf({ total: 3 }, 'video')).toBe('3 videos');
    expect(totalOf({ total: 4200, total_is_exact: false }, 'video')).toBe('about 4,200 videos');
  });
});
