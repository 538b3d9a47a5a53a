import type { components } from './schema';

type Schemas = components['schemas'];

export type Video = Schemas['Video'];
export type Tag = Schemas['Tag'];
export type Job = Schemas['Job'];
export type User = Schemas['User'];
export type LoginSession = Schemas['Session'];

export interface Page<T> {
  data: T[];
  page: number;
  page_size: number;
  total: number;
}
