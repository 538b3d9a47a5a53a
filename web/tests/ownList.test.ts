import { describe, expect, it } from 'vitest';

import { isNarrowed, ownListFrom, withChoice } from '../src/videos/ownList';

const from = (query: string) => ownListFrom(new URLSearchParams(query));

describe('the list of my videos in the address', () => {
  it('is the newest of all without a word', () => {
    expect(from('')).toEqual({ sort: 'newest' });
    expect(isNarrowed(from('sort=title'))).toBe(false);
  });

  it('has sort, filters and words', () => {
    const list = from('sort=views&status=failed&visibility=draft&q=+fog+');
    expect(list).toEqual({ sort: 'views', status: 'failed', visibility: 'draft', q: 'fog' });
    expect(isNarrowed(list)).toBe(true);
  });

  it('leaves out what it cannot mean', () => {
    expect(from('sort=best&status=gone&visibility=&q=%20')).toEqual({ sort: 'newest' });
    expect(from(`q=${'a'.repeat(999)}`).q).toHaveLength(200);
  });

  it('begins at the first page with each choice', () => {
    const params = new URLSearchParams('q=fog&page=3');
    expect(withChoice(params, 'sort', 'title').toString()).toBe('q=fog&sort=title');
    expect(withChoice(params, 'q', '').toString()).toBe('');
    expect(withChoice(new URLSearchParams('sort=title'), 'sort', 'newest').toString()).toBe('');
  });
});
