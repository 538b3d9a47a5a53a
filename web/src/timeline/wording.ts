import type { JobNote, TimelineStep } from '../api/models';

const TITLES: Readonly<Record<string, string>> = {
  UploadStarted: 'Upload started',
  VideoUploaded: 'Upload complete',
  UploadExpired: 'Upload expired',
  UploadAborted: 'Upload given up',
  UploadRejected: 'Upload refused',
  TranscodePlanned: 'Looked at the file and planned the work',
  ChunkEncoded: 'Encoded a part',
  AudioEncoded: 'Encoded the sound',
  ThumbnailsCreated: 'Made the pictures',
  CaptionsExtracted: 'Read the subtitles of the file',
  VideoPlayable: 'Playable',
  TranscodeCompleted: 'Complete',
  MediaCompacted: 'Packed for storage',
  DownloadsMade: 'Ready to download',
  TranscodeFailed: 'Processing failed',
  TranscodeRetried: 'Trying again',
  TranscodeCancelled: 'Processing cancelled',
  DetailsChanged: 'Title or description changed',
  TagsAdded: 'Tags added',
  TagRemoved: 'Tag removed',
  VisibilityChanged: 'Visibility changed',
  DownloadsChanged: 'Downloads changed',
  VideoBinned: 'Put into the bin',
  VideoRestored: 'Taken out of the bin',
};

/** A step in words; one that this client doesn't know yet keeps its own name, spaced out. */
export function stepTitle({ type, data }: Pick<TimelineStep, 'type' | 'data'>): string {
  if (type === 'TranscodeRetried' && data.plain === true) {
    return 'Decoding the whole file in order, because parts of it could not be decoded';
  }
  return TITLES[type] ?? type.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ');
}

export type StepMood = 'good' | 'bad' | 'plain';

export function stepMood({ type, error }: TimelineStep): StepMood {
  if (type === 'VideoPlayable' || type === 'TranscodeCompleted') return 'good';
  if (error != null || /Failed|Rejected|Expired|Aborted|Cancelled/.test(type)) return 'bad';
  return 'plain';
}

/** "0.4 s", "12 s", "3 min 5 s". */
export function elapsed(milliseconds: number): string {
  if (milliseconds < 9_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)} min${rest === 0 ? '' : ` ${rest} s`}`;
}

/** What is known about how a step went, as short phrases. */
export function stepFacts(step: TimelineStep): string[] {
  const facts: string[] = [];
  if (step.wait_ms != null && step.wait_ms >= 100) facts.push(`waited ${elapsed(step.wait_ms)}`);
  if (step.duration_ms != null) facts.push(`took ${elapsed(step.duration_ms)}`);
  if (step.worker != null) facts.push(`on ${step.worker}`);
  if (step.tries != null && step.tries > 1) facts.push(`at try ${step.tries}`);
  if (step.attempt != null && step.attempt > 1) facts.push(`attempt ${step.attempt}`);
  return facts;
}

/** What the plan says of the file: tracks that were left out, and such. */
export function stepNotes(step: TimelineStep): JobNote[] {
  const notes = step.data.notes;
  return Array.isArray(notes) ? (notes as JobNote[]) : [];
}
