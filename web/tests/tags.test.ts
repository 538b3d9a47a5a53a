import { expect, it } from 'vitest';

import { addTags } from '../src/ui/tags';

it.each([
  [[], 'fog', ['fog']],
  [['fog'], ' #Rain , sea  side ', ['fog', 'Rain', 'sea side']],
  [['fog'], 'FOG', ['fog']],
  [['fog'], ' , #', ['fog']],
  [[], 'x'.repeat(60), ['x'.repeat(50)]],
  [
    ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'],
    'eleven',
    ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'],
  ],
])('%j and %j make %j', (tags, text, result) => {
  expect(addTags(tags, text)).toEqual(result);
});
