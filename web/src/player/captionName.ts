import type { Captions } from '../api/models';

/** A language's name in itself, or its tag where the browser knows none. */
export function languageName(tag: string): string {
  try {
    return new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** What a menu calls captions: those of files often have no name of their own. */
export function captionName({ label, language }: Pick<Captions, 'label' | 'language'>): string {
  if (label !== language) return label;
  return language === 'und' ? 'Unknown language' : languageName(language);
}
