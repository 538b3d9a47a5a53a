import { describe, expect, it } from 'vitest';

import { searchesAsYouType, searchPath } from '../src/app/searchNavigation';
import { pageCount, pageFromParams, pageWindow, withPage } from '../src/videos/paging';

describe('the page in the address', () => {
  it.each([
    ['', 1],
    ['page=3', 3],
    ['page=0', 1],
    ['page=-2', 1],
    ['page=1.5', 1],
    ['page=abc', 1],
    ['page=1e99', 1],
  ])('%s is page %d', (query, page) => {
    expect(pageFromParams(new URLSearchParams(query))).toBe(page);
  });

  it('keeps the other parameters', () => {
    const params = new URLSearchParams('q=fog&page=2');
    expect(withPage(params, 3)).toBe('?q=fog&page=3');
    expect(withPage(params, 1)).toBe('?q=fog');
    expect(withPage(new URLSearchParams('page=2'), 1)).toBe('?');
  });
});

describe('the number of pages', () => {
  it.each([
    [0, 10, 1],
    [11, 10, 2],
    [300_000, 50, 201],
    [300_000, 10, 1001],
  ])('%d items in pages of %d are %d pages', (total, size, pages) => {
    expect(pageCount(total, size)).toBe(pages);
  });
});

describe('the pages offered', () => {
  it.each([
    [1, 1, [1]],
    [1, 3, [1, 2, 3]],
    [1, 9, [1, 2, null, 9]],
    [3, 9, [1, 2, 3, 4, null, 9]],
    [4, 9, [1, 2, 3, 4, 5, null, 9]],
    [5, 9, [1, null, 4, 5, 6, null, 9]],
    [9, 9, [1, null, 8, 9]],
    [12, 9, [1, null, 9]],
  ])('on page %d of %d', (page, pages, shown) => {
    expect(pageWindow(page, pages)).toEqual(shown);
  });

  it('counts pages', () => {
    expect(pageCount(0, 12)).toBe(1);
    expect(pageCount(12, 12)).toBe(1);
    expect(pageCount(13, 12)).toBe(2);
  });
});

describe('searching as you type', () => {
  it('interrupts no film and no form', () => {
    expect(['/', '/search', '/tags', '/tags/fog'].every(searchesAsYouType)).toBe(true);
    expect(['/watch/1', '/upload', '/account', '/tagsx'].some(searchesAsYouType)).toBe(false);
  });

  it('writes the address', () => {
    expect(searchPath('fog & rain')).toBe('/search?q=fog+%26+rain');
    expect(searchPath('')).toBe('/search');
  });
});
