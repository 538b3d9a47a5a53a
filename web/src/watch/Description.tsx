import { Fragment, useMemo, useState } from 'react';

import type { Video } from '../api/models';
import { MomentLink } from './MomentLink';
import { beginningOf, type Piece, piecesOf } from './richText';

const LINK = 'text-link underline underline-offset-2 hover:no-underline';

/** What the owner says about a film: addresses lead away, times lead into the film. */
export function Description({ video }: { video: Video }) {
  const { description } = video;
  const [whole, setWhole] = useState(false);
  const beginning = beginningOf(description);
  const text = whole ? description : beginning;
  const length = (video.duration_ms ?? 0) / 1000;
  const pieces = useMemo(() => piecesOf(text, length), [text, length]);
  if (description === '') return null;
  return (
    <div className="mt-5 max-w-prose">
      <p dir="auto" className="whitespace-pre-line [unicode-bidi:plaintext]">
        {pieces.map((piece, index) => (
          <Fragment key={index}>
            <Shown piece={piece} videoId={video.id} />
          </Fragment>
        ))}
        {text !== description && '…'}
      </p>
      {beginning !== description && (
        <button
          type="button"
          aria-expanded={whole}
          className="min-h-11 font-semibold hover:underline"
          onClick={() => setWhole(!whole)}
        >
          {whole ? 'Show less' : 'Show more'}
        </button>
      )}
    </div>
  );
}

function Shown({ piece, videoId }: { piece: Piece; videoId: string }) {
  if (piece.kind === 'text') return piece.text;
  if (piece.kind === 'moment') {
    return (
      <MomentLink videoId={videoId} seconds={piece.seconds} className={LINK}>
        <bdi>{piece.text}</bdi>
      </MomentLink>
    );
  }
  return (
    <a href={piece.href} target="_blank" rel="nofollow noopener noreferrer ugc" className={LINK}>
      <bdi>{piece.text}</bdi>
    </a>
  );
}
