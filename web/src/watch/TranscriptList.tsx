import { type KeyboardEvent, type RefObject, useEffect, useRef, useState } from 'react';

import { formatClock } from '../format/duration';
import { MomentLink } from './MomentLink';
import { BLOCK, type Line } from './transcript';

interface TranscriptListProps {
  videoId: string;
  language: string;
  lines: readonly Line[];
  /** The index of the line that is heard; -1 for none. */
  present: number;
  /** Keeps the line that is heard in sight. */
  following: boolean;
  onLeave: () => void;
}

const STEPS: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };

/**
 * The lines, in blocks. A block out of sight is one text without links, so that a long film costs
 * no more than a short one, and can still be read and found. The arrow keys go from line to line.
 */
export function TranscriptList(props: TranscriptListProps) {
  const { lines, present, following } = props;
  const scroller = useRef<HTMLOListElement>(null);
  // Who comes by the tab key begins at what is heard.
  const [chosen, setChosen] = useState<number | null>(null);
  const active = Math.max(0, Math.min(chosen ?? present, lines.length - 1));
  // A line that was chosen by a key gets the focus once it is drawn.
  const keyedRef = useRef(false);
  useEffect(() => {
    if (following) keepInSight(scroller.current, present);
  }, [following, present, lines]);
  const step = (event: KeyboardEvent) => {
    const steps = STEPS[event.key];
    const ends: Record<string, number> = { Home: 0, End: lines.length - 1 };
    const wanted = steps === undefined ? ends[event.key] : active + steps;
    if (wanted === undefined) return;
    event.preventDefault();
    // The player has keys of its own.
    event.stopPropagation();
    props.onLeave();
    keyedRef.current = true;
    setChosen(Math.max(0, Math.min(lines.length - 1, wanted)));
  };
  const blocks = Array.from({ length: Math.ceil(lines.length / BLOCK) }, (_, index) => index);
  return (
    // The lines are links; the list only hears the arrow keys that go between them.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <ol
      ref={scroller}
      lang={props.language}
      aria-label="Transcript"
      className="relative -mx-2 h-72 overflow-y-auto overscroll-contain"
      onKeyDown={step}
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) setChosen(null);
      }}
      onWheel={props.onLeave}
      onTouchMove={props.onLeave}
    >
      {blocks.map((block) => (
        <Block
          key={block}
          {...props}
          scroller={scroller}
          keyedRef={keyedRef}
          first={block * BLOCK}
          active={active}
          onChoose={setChosen}
          needed={inBlock(block, active) || inBlock(block, present)}
        />
      ))}
    </ol>
  );
}

function inBlock(block: number, index: number): boolean {
  return Math.floor(index / BLOCK) === block;
}

interface BlockProps extends TranscriptListProps {
  scroller: RefObject<HTMLOListElement | null>;
  keyedRef: RefObject<boolean>;
  first: number;
  active: number;
  needed: boolean;
  onChoose: (index: number) => void;
}

function Block({ scroller, keyedRef, first, active, needed, onChoose, ...list }: BlockProps) {
  const item = useRef<HTMLLIElement>(null);
  const [near, setNear] = useState(first === 0);
  useEffect(() => {
    const observer = new IntersectionObserver(
      ([entry]) => setNear(entry?.isIntersecting ?? false),
      { root: scroller.current, rootMargin: '600px 0px' },
    );
    if (item.current) observer.observe(item.current);
    return () => observer.disconnect();
  }, [scroller]);
  const lines = list.lines.slice(first, first + BLOCK);
  const within = active >= first && active < first + lines.length;
  useEffect(() => {
    if (!within || !keyedRef.current) return;
    keyedRef.current = false;
    item.current?.querySelector<HTMLElement>(`[data-line="${active}"]`)?.focus();
  }, [within, active, keyedRef]);
  if (!near && !needed) {
    return (
      <li ref={item} className="px-2 py-2.5 whitespace-pre-line" dir="auto">
        {lines.map((line) => line.text).join('\n\n')}
      </li>
    );
  }
  return (
    <li ref={item}>
      <ul>
        {lines.map((line, index) => (
          <li key={first + index}>
            <MomentLink
              videoId={list.videoId}
              seconds={line.start}
              data-line={first + index}
              tabIndex={first + index === active ? 0 : -1}
              aria-current={first + index === list.present ? 'true' : undefined}
              onFocus={() => onChoose(first + index)}
              className="flex min-h-11 items-baseline gap-3 rounded-lg px-2 py-2 hover:bg-sunken aria-[current]:bg-sunken aria-[current]:font-semibold"
            >
              <span className="w-12 shrink-0 text-end timecode text-sm text-muted">
                {formatClock(Math.floor(line.start) * 1000)}
              </span>
              <span dir="auto" className="min-w-0 flex-1 [overflow-wrap:anywhere]">
                {line.text}
              </span>
            </MomentLink>
          </li>
        ))}
      </ul>
    </li>
  );
}

/** Moves the list, and never the page. */
function keepInSight(scroller: HTMLElement | null, index: number): void {
  const line = scroller?.querySelector<HTMLElement>(`[data-line="${index}"]`);
  if (!scroller || !line) return;
  const { top } = line.getBoundingClientRect();
  const place = top - scroller.getBoundingClientRect().top + scroller.scrollTop;
  scroller.scrollTop = place - scroller.clientHeight / 3;
}
