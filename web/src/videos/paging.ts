/** `?page=` as a number of at least 1, whatever someone typed into the address. */
export function pageFromParams(params: URLSearchParams): number {
  const page = Number(params.get('page') ?? '1');
  return Number.isSafeInteger(page) && page >= 1 ? page : 1;
}

/** The items that may be before a page which is asked for by its number. */
const DEEPEST = 10_000;

export function pageCount(total: number, pageSize: number): number {
  if (pageSize <= 0) return 1;
  const deepest = Math.floor(DEEPEST / pageSize) + 1;
  return Math.min(Math.max(1, Math.ceil(total / pageSize)), deepest);
}

/** The page numbers to offer: first, last and the current one's neighbours; null is a gap. */
export function pageWindow(page: number, pages: number): (number | null)[] {
  const shown = new Set([1, pages, page - 1, page, page + 1]);
  const numbers = [...shown].filter((n) => n >= 1 && n <= pages).sort((a, b) => a - b);
  const result: (number | null)[] = [];
  let previous = 0;
  for (const number of numbers) {
    // A gap of one page is no shorter than the page itself.
    if (number - previous === 2) result.push(number - 1);
    else if (number - previous > 2) result.push(null);
    result.push(number);
    previous = number;
  }
  return result;
}

/** The same address on another page; page 1 needs no parameter. */
export function withPage(params: URLSearchParams, page: number): string {
  const next = new URLSearchParams(params);
  if (page === 1) next.delete('page');
  else next.set('page', String(page));
  const text = next.toString();
  return text === '' ? '?' : `?${text}`;
}
