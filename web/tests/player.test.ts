import { describe, expect, it, vi } from 'vitest';

import { qualitiesOf, qualityLabel } from '../src/player/quality';
import { belongsToControl, runShortcut, SHORTCUTS } from '../src/player/shortcuts';
import { soundsOf } from '../src/player/sounds';
import { parseStoryboard, tileAt } from '../src/player/storyboard';
import type { PlayerView } from '../src/player/usePlayerView';
import { following } from '../src/watch/newest';
import { firstViewOfSession } from '../src/watch/views';
import { fakeActions } from './playerActions';
import { aVideo } from './stage';

describe('storyboard', () => {
  const text = [
    'WEBVTT',
    '',
    '1',
    '00:00:00.000 --> 00:00:02.500',
    'sprite-0.webp#xywh=0,0,160,90',
    '',
    '00:02.500 --> 00:05.000',
    'sprite-0.webp#xywh=160,0,160,90',
    '',
    '01:00:00.000 --> 01:00:05.000',
    'sprite-1.webp#xywh=pixel:0,90,160,90',
    '',
    'NOTE nothing to see',
  ].join('\r\n');
  const tiles = parseStoryboard(text, 'https://site.example/media/public/v1/storyboard.vtt');

  it('reads times, images and places', () => {
    expect(tiles).toHaveLength(3);
    expect(tiles[1]).toEqual({
      startSeconds: 2.5,
      endSeconds: 5,
      imageUrl: 'https://site.example/media/public/v1/sprite-0.webp',
      x: 160,
      y: 0,
      width: 160,
      height: 90,
    });
    expect(tiles[2]?.startSeconds).toBe(3600);
  });

  it('finds the tile of a moment', () => {
    expect(tileAt(tiles, 2.4)).toBe(tiles[0]);
    expect(tileAt(tiles, 2.5)).toBe(tiles[1]);
    expect(tileAt(tiles, 1000)).toBe(tiles[1]);
    expect(tileAt([], 1)).toBeNull();
  });

  it('makes nothing of nonsense', () => {
    expect(parseStoryboard('<html>', 'https://site.example/')).toEqual([]);
  });
});

describe('qualities', () => {
  it('tell HDR from SDR of the same size', () => {
    const size = { width: 1280, height: 720 };
    expect(qualityLabel({ ...size, frameRate: 25, videoRange: 'SDR' })).toBe('720p');
    expect(qualityLabel({ ...size, frameRate: 25, videoRange: 'PQ' })).toBe('720p HDR');
    expect(qualityLabel({ ...size, frameRate: 60, videoRange: 'HLG' })).toBe('720p60 HDR');
  });

  it('are named as people know them, best first', () => {
    const levels = [
      { width: 640, height: 360, frameRate: 25 },
      { width: 1920, height: 1080, frameRate: 59.94 },
      { width: 720, height: 1280, frameRate: 30 },
    ];
    expect(qualitiesOf(levels)).toEqual([
      { level: 1, label: '1080p60' },
      { level: 2, label: '720p' },
      { level: 0, label: '360p' },
    ]);
    expect(qualityLabel({ width: 640, height: 272, frameRate: 25 })).toBe('360p');
    expect(qualityLabel({ width: 640, height: 480, frameRate: 25 })).toBe('480p');
    expect(qualityLabel({ width: 0, height: 0, frameRate: 0 })).toBe('Audio');
  });
});

describe('sound tracks', () => {
  it('are called by their languages, and told apart', () => {
    const tracks = [
      { id: 0, name: 'eng', lang: 'en' },
      { id: 1, name: 'Track 2', lang: 'und' },
      { id: 2, name: 'deu', lang: 'deu' },
      { id: 3, name: 'deu 4', lang: 'deu' },
      { id: 4, name: 'x', lang: 'not a language' },
    ];
    expect(soundsOf(tracks).map(({ label }) => label)).toEqual([
      'English',
      'Track 2',
      'German (deu)',
      'German (deu 4)',
      'x',
    ]);
  });
});

describe('keyboard', () => {
  const view = () =>
    ({
      loop: false,
      statistics: false,
      help: false,
      toggleLoop: vi.fn(),
      toggleStatistics: vi.fn(),
      showHelp: vi.fn(),
      hideHelp: vi.fn(),
      toggleTheatre: vi.fn(),
    }) satisfies PlayerView;
  const at = { volume: 0.5 };

  it('does what people expect', () => {
    const did = fakeActions();
    for (const key of [' ', 'K', 'ArrowLeft', 'l', '5', 'ArrowUp', 'm', 'f']) {
      expect(runShortcut(key, did, view(), at)).toBe(true);
    }
    expect(did.togglePlay).toHaveBeenCalledTimes(2);
    expect(did.seekBy.mock.calls).toEqual([[-5], [10]]);
    expect(did.seekToShare).toHaveBeenCalledWith(0.5);
    expect(did.setVolume).toHaveBeenCalledWith(0.6);
    expect(runShortcut('x', did, view(), at)).toBe(false);
  });

  it('steps by pictures, and changes speed and view', () => {
    const did = fakeActions();
    const shown = view();
    for (const key of ['<', '>', ',', '.', 't', 'I', '?']) {
      expect(runShortcut(key, did, shown, at)).toBe(true);
    }
    expect(did.changeRate.mock.calls).toEqual([[-1], [1]]);
    expect(did.stepFrame.mock.calls).toEqual([[-1], [1]]);
    expect(shown.toggleTheatre).toHaveBeenCalledOnce();
    expect(shown.toggleStatistics).toHaveBeenCalledOnce();
    expect(shown.showHelp).toHaveBeenCalledOnce();
  });

  it('every key of the help does something', () => {
    const names: Record<string, string> = {
      Space: ' ',
      '←': 'ArrowLeft',
      '→': 'ArrowRight',
      '↑': 'ArrowUp',
      '↓': 'ArrowDown',
    };
    const keys = SHORTCUTS.flatMap(([text]) => text.split(/ or | and | – /));
    expect(keys.length).toBeGreaterThan(15);
    for (const key of keys) {
      expect(runShortcut(names[key] ?? key, fakeActions(), view(), at), key).toBe(true);
    }
  });

  it('leaves keys to the control that needs them', () => {
    document.body.innerHTML =
      '<input id="text"><input id="range" type="range"><button id="button"></button><p id="p"></p>';
    const element = (id: string) => document.getElementById(id);
    expect(belongsToControl('k', element('text'))).toBe(true);
    expect(belongsToControl('ArrowLeft', element('range'))).toBe(true);
    expect(belongsToControl('k', element('range'))).toBe(false);
    expect(belongsToControl(' ', element('button'))).toBe(true);
    expect(belongsToControl('f', element('button'))).toBe(false);
    expect(belongsToControl(' ', element('p'))).toBe(false);
  });
});

it('counts a view once a session', () => {
  expect(firstViewOfSession('a')).toBe(true);
  expect(firstViewOfSession('b')).toBe(true);
  expect(firstViewOfSession('a')).toBe(false);
});

describe('the next film', () => {
  const newest = ['c', 'b', 'a'].map((id) => aVideo({ id, playable: id !== 'b' }));

  it('is the next older one that can be played, so that each comes once', () => {
    expect(following(newest, 'c')?.id).toBe('a');
    expect(following(newest, 'a')).toBeUndefined();
    expect(following([], 'a')).toBeUndefined();
  });

  it('is the newest one after a film that is not among them', () => {
    expect(following(newest, 'old')?.id).toBe('c');
  });
});
