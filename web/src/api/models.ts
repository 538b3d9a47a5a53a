import type { components } from './schema';

type Schemas = components['schemas'];

export type Video = Schemas['Video'];
export type Binned = Schemas['Binned'];
export type Captions = Schemas['Captions'];
export type Chapter = Schemas['Chapter'];
export type Tag = Schemas['Tag'];
export type Job = Schemas['Job'];
export type JobNote = Schemas['Note'];
export type User = Schemas['User'];
export type Me = Schemas['Me'];
export type Timeline = Schemas['Timeline'];
export type TimelineStep = Schemas['Step'];
export type LiveStream = Schemas['LiveStream'];
export type LiveStreamWithKey = Schemas['LiveStreamWithKey'];
export type PlannedLive = Schemas['PlannedLive'];
export type SimulcastTarget = Schemas['SimulcastTarget'];
export type Clip = Schemas['Clip'];
export type LiveHealth = Schemas['LiveHealth'];
export type LiveFacts = Schemas['Live'];
export type ChatMessage = Schemas['ChatMessage'];
export type Visibility = Video['visibility'];
export type Downloads = Video['downloads'];
export type LoginSession = Schemas['SessionItem'];

export interface Page<T> {
  data: T[];
  page: number;
  page_size: number;
  total: number;
  /** False where `total` is an estimate. */
  total_is_exact?: boolean;
}
