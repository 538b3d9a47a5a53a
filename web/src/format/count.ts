const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** "12", "12.3K". */
export function formatCount(count: number): string {
  return compact.format(count);
}

/** "no views", "1 view", "12.3K views". */
export function formatViews(views: number): string {
  if (views === 0) return 'No views yet';
  return `${compact.format(views)} ${views === 1 ? 'view' : 'views'}`;
}

/** "3 videos" of a whole list, "about 4,200 videos" where its total is an estimate. */
export function totalOf(page: { total: number; total_is_exact?: boolean }, noun: string): string {
  const all = countOf(page.total, noun);
  return page.total_is_exact === false ? `about ${all}` : all;
}

/** "1 video", "3 videos". */
export function countOf(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}
