/** The API's limits for one request. */
export const MAX_TAGS = 10;
export const MAX_TAG_LENGTH = 50;

/** Adds the comma-separated tags in `text`: trimmed, without “#”, no doubles whatever their case. */
export function addTags(tags: readonly string[], text: string): string[] {
  const next = [...tags];
  for (const part of text.split(',')) {
    const tag = part.trim().replace(/^#+/, '').replaceAll(/\s+/g, ' ').slice(0, MAX_TAG_LENGTH);
    const known = next.some((other) => other.toLowerCase() === tag.toLowerCase());
    if (tag !== '' && !known && next.length < MAX_TAGS) next.push(tag);
  }
  return next;
}
