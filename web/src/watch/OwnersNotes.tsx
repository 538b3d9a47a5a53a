import { JobNotes } from '../jobs/JobNotes';
import { useJob } from '../jobs/useJob';

/** What only the owner of a video is told about its file. */
export function OwnersNotes({ videoId }: { videoId: string }) {
  const { data: job } = useJob(videoId);
  return job ? <JobNotes notes={job.notes} /> : null;
}
