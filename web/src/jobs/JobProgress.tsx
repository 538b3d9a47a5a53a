import type { Job } from '../api/models';
import { FrameStrip } from '../ui/FrameStrip';
import { jobHeadline, jobPercent } from './job';
import { JobNotes } from './JobNotes';

/** How far the processing is, for eyes and for screen readers (announced in steps of a quarter). */
export function JobProgress({ job }: { job: Job }) {
  const percent = jobPercent(job);
  const quarter = Math.floor(percent / 25) * 25;
  return (
    <div>
      <div className="mb-2 flex items-baseline justify-between gap-4 text-sm">
        <span className="font-medium">{jobHeadline(job)}</span>
        <span className="timecode text-muted">{Math.floor(percent)}%</span>
      </div>
      <FrameStrip percent={percent} label={`Processing of ${job.title}`} />
      <JobNotes notes={job.notes} />
      <span role="status" className="sr-only">
        {jobHeadline(job)}
        {job.status === 'processing' && quarter > 0 ? `, ${quarter} percent` : ''}
      </span>
    </div>
  );
}
