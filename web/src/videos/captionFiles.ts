/** Languages that are offered, by their tags. */
export const LANGUAGES: readonly string[] =
  'ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nb nl pl pt pt-BR ro ru sk sl sr sv sw ta te th tr uk ur vi zh-Hans zh-Hant'.split(
    ' ',
  );

/** The offered language that a file's name ends with ("film.pt-BR.srt"), or the nearest to another. */
export function languageOfFile(name: string, otherwise: string): string {
  const found = /\.([A-Za-z]{2,3}(?:[-_][A-Za-z]{2,4})?)\.\w+$/.exec(name)?.[1];
  return (found && offered(found)) ?? offered(otherwise) ?? 'en';
}

function offered(tag: string): string | undefined {
  const wanted = tag.replace('_', '-').toLowerCase();
  const [primary] = wanted.split('-');
  return (
    LANGUAGES.find((each) => each.toLowerCase() === wanted) ??
    LANGUAGES.find((each) => each === primary)
  );
}

/** A file's text: UTF-8 or UTF-16 by its mark, and what is neither as older programs wrote it. */
export function decodeText(bytes: ArrayBuffer): string {
  const [first, second] = new Uint8Array(bytes);
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
