import type { TimelineStep } from '../api/models';
import { cx } from '../ui/cx';
import { JobNotes } from '../jobs/JobNotes';
import { elapsed, stepFacts, stepMood, type StepMood, stepNotes, stepTitle } from './wording';

const DOTS: Record<StepMood, string> = {
  good: 'bg-accent',
  bad: 'bg-danger',
  plain: 'bg-edge',
};

/** The steps in their order, each with its distance from the first. */
export function StepList({ steps }: { steps: readonly TimelineStep[] }) {
  const start = Date.parse(steps[0]?.at ?? '');
  return (
    <ol className="border-l-2 border-line">
      {steps.map((step, index) => (
        <li key={index} className="relative pb-6 pl-6 last:pb-0">
          <span
            aria-hidden="true"
            className={cx(
              'absolute top-2 -left-[7px] h-3 w-3 rounded-[3px] ring-4 ring-bg',
              DOTS[stepMood(step)],
            )}
          />
          <StepBody step={step} sinceStartMs={Date.parse(step.at) - start} />
        </li>
      ))}
    </ol>
  );
}

function StepBody({ step, sinceStartMs }: { step: TimelineStep; sinceStartMs: number }) {
  const facts = stepFacts(step);
  return (
    <>
      <div className="flex flex-wrap items-baseline justify-between gap-x-4">
        <p className="font-semibold">{stepTitle(step)}</p>
        <time dateTime={step.at} className="timecode text-xs text-muted">
          +{elapsed(Math.max(0, sinceStartMs))}
        </time>
      </div>
      {facts.length > 0 && <p className="text-sm text-muted">{facts.join(' · ')}</p>}
      <JobNotes notes={stepNotes(step)} />
      {step.error != null && <p className="mt-1 text-sm text-danger">{step.error}</p>}
      {step.detail != null && (
        <pre
          // Long lines scroll inside; the focus lets the keyboard do that too.
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          aria-label="What ffmpeg said last"
          className="mt-2 max-h-48 overflow-auto rounded-lg bg-sunken p-3 timecode text-xs"
        >
          {step.detail}
        </pre>
      )}
      {step.trace_id != null && (
        <p className="mt-1 truncate timecode text-xs text-muted">trace {step.trace_id}</p>
      )}
    </>
  );
}
