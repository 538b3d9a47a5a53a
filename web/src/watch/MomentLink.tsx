import type { ComponentProps, MouseEvent } from 'react';

import { playerJumps } from '../player/jumps';
import { startQuery } from '../player/startTime';

interface MomentLinkProps extends ComponentProps<'a'> {
  videoId: string;
  seconds: number;
}

/** A link to a moment. Pressed here, the film goes there; it can be copied or opened like any link. */
export function MomentLink({ videoId, seconds, children, ...rest }: MomentLinkProps) {
  const jump = (event: MouseEvent) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
      return;
    if (playerJumps.to(seconds)) event.preventDefault();
  };
  return (
    <a href={`/watch/${videoId}${startQuery(seconds)}`} onClick={jump} {...rest}>
      {children}
    </a>
  );
}
