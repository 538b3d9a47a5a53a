import type { JobNote } from '../api/models';

/** What a video lacks of its file, or how it differs from it. */
export function JobNotes({ notes }: { notes: readonly JobNote[] }) {
  if (notes.length === 0) return null;
  return (
    <ul aria-label="About this file" className="mt-3 space-y-1 text-sm text-muted">
      {notes.map((note) => (
        <li key={note.text}>{note.text}</li>
      ))}
    </ul>
  );
}
