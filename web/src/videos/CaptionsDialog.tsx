import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Trash2 } from 'lucide-react';
import { type SyntheticEvent, useState } from 'react';

import type { Captions, Video } from '../api/models';
import { queries } from '../api/queries';
import { removeCaptions, storeCaptions } from '../api/videos';
import { SelectField } from '../ui/SelectField';
import { captionName, languageName } from '../player/captionName';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { TextField } from '../ui/Field';
import { useNotify } from '../ui/notifications';
import { InlineError } from '../ui/states';
import { decodeText, LANGUAGES, languageOfFile } from './captionFiles';

interface CaptionsDialogProps {
  video: Video;
  open: boolean;
  onClose: () => void;
}

/** The captions of one's own film: those that are there, and a file for another language. */
export function CaptionsDialog({ video, open, onClose }: CaptionsDialogProps) {
  return (
    <Dialog open={open} title="Captions" onClose={onClose}>
      <ul className="mt-4 divide-y divide-line">
        {video.captions.map((track) => (
          <StoredCaptions key={track.language} videoId={video.id} track={track} />
        ))}
      </ul>
      <CaptionsForm videoId={video.id} onClose={onClose} />
    </Dialog>
  );
}

function StoredCaptions({ videoId, track }: { videoId: string; track: Captions }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => removeCaptions(videoId, track.language),
    onSuccess: () => client.invalidateQueries(queries.video(videoId)),
  });
  return (
    <li className="py-1">
      <div className="flex items-center gap-3">
        <span dir="auto" className="min-w-0 flex-1 font-semibold">
          {captionName(track)}
        </span>
        {track.origin === 'file' && <span className="text-sm text-muted">from the file</span>}
        <span className="timecode text-sm text-muted">{track.language}</span>
        <Button
          size="sm"
          variant="danger"
          busy={remove.isPending}
          aria-label={`Remove ${captionName(track)}`}
          onClick={() => remove.mutate()}
        >
          <Trash2 className="h-4 w-4" aria-hidden="true" />
        </Button>
      </div>
      <InlineError error={remove.error} />
    </li>
  );
}

function CaptionsForm({ videoId, onClose }: { videoId: string; onClose: () => void }) {
  const client = useQueryClient();
  const notify = useNotify();
  const [file, setFile] = useState<File | null>(null);
  const [language, setLanguage] = useState(languageOfFile('', navigator.language));
  const [forDeaf, setForDeaf] = useState(false);
  const store = useMutation({
    mutationFn: async (chosen: File) =>
      storeCaptions(videoId, language, {
        text: decodeText(await chosen.arrayBuffer()),
        label: languageName(language),
        kind: forDeaf ? 'captions' : 'subtitles',
      }),
    onSuccess: async (track) => {
      notify(`Captions in ${track.label} are there.`);
      await client.invalidateQueries(queries.video(videoId));
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (file) store.mutate(file);
  };
  return (
    <form onSubmit={submit} noValidate className="mt-4 space-y-4">
      <TextField
        label="File"
        type="file"
        hint="WebVTT, SRT, TTML or ASS"
        style={{ paddingBlock: '0.5rem' }}
        accept=".vtt,.srt,.ttml,.dfxp,.xml,.ass,.ssa,text/vtt,application/x-subrip,application/ttml+xml"
        onChange={(event) => {
          const chosen = event.target.files?.[0] ?? null;
          setFile(chosen);
          if (chosen) setLanguage(languageOfFile(chosen.name, language));
        }}
      />
      <SelectField
        label="Language"
        value={language}
        options={LANGUAGES.map((code) => [code, languageName(code)] as const)}
        onChange={setLanguage}
      />
      <label className="flex min-h-11 cursor-pointer items-center gap-3">
        <input
          type="checkbox"
          checked={forDeaf}
          onChange={(event) => setForDeaf(event.target.checked)}
          className="h-5 w-5 accent-accent"
        />
        They say what is heard besides speech, too
      </label>
      <InlineError error={store.error} />
      <div className="flex justify-end gap-3 pt-2">
        <Button onClick={onClose}>Done</Button>
        <Button type="submit" variant="primary" disabled={!file} busy={store.isPending}>
          Add captions
        </Button>
      </div>
    </form>
  );
}
