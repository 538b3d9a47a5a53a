import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type SyntheticEvent, useState } from 'react';

import { useIntent } from '../api/intent';
import type { SimulcastTarget } from '../api/models';
import { Button } from '../ui/Button';
import { TextField } from '../ui/Field';
import { InlineError } from '../ui/states';
import { addTarget, deleteTarget, switchTarget, targetsOf, targetWords } from './simulcast';

const POLL_MS = 2_000;

/** Other services that a stream's lives are sent on to. */
export function Simulcast({ streamId }: { streamId: string }) {
  const client = useQueryClient();
  const queryKey = ['simulcast', streamId];
  const { data: targets, error } = useQuery({
    queryKey,
    queryFn: () => targetsOf(streamId),
    refetchInterval: POLL_MS,
  });
  const refresh = () => client.invalidateQueries({ queryKey });
  return (
    <div className="space-y-5">
      <InlineError error={error} />
      {targets && targets.length > 0 && (
        <ul className="divide-y divide-line">
          {targets.map((target) => (
            <Target key={target.id} streamId={streamId} target={target} onChanged={refresh} />
          ))}
        </ul>
      )}
      <NewTarget streamId={streamId} onAdded={refresh} />
    </div>
  );
}

interface TargetProps {
  streamId: string;
  target: SimulcastTarget;
  onChanged: () => Promise<void>;
}

function Target({ streamId, target, onChanged }: TargetProps) {
  const change = useMutation({
    mutationFn: () => switchTarget(streamId, target.id, !target.enabled),
    onSettled: onChanged,
  });
  const remove = useMutation({
    mutationFn: () => deleteTarget(streamId, target.id),
    onSettled: onChanged,
  });
  return (
    <li className="flex flex-wrap items-center justify-between gap-3 py-3">
      <div className="min-w-0">
        <p className="font-semibold">{target.name}</p>
        <p role="status" className="text-sm text-muted">
          {targetWords(target)}
        </p>
        <InlineError error={change.error ?? remove.error} />
      </div>
      <div className="flex gap-2">
        <Button size="sm" busy={change.isPending} onClick={() => change.mutate()}>
          {target.enabled ? 'Switch off' : 'Switch on'}
        </Button>
        <Button
          size="sm"
          variant="danger"
          aria-label={`Remove ${target.name}`}
          busy={remove.isPending}
          onClick={() => remove.mutate()}
        >
          Remove
        </Button>
      </div>
    </li>
  );
}

function NewTarget({ streamId, onAdded }: { streamId: string; onAdded: () => Promise<void> }) {
  const [url, setUrl] = useState('');
  const [streamKey, setStreamKey] = useState('');
  const srt = url.trim().toLowerCase().startsWith('srt:');
  const intent = useIntent();
  const add = useMutation({
    mutationFn: (key: string) => addTarget(streamId, url, streamKey, key),
    onSettled: (_, error) => intent.settled(error),
    onSuccess: async () => {
      setUrl('');
      setStreamKey('');
      await onAdded();
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    add.mutate(intent.keyFor(`${url} ${streamKey}`));
  };
  return (
    <form onSubmit={submit} className="space-y-4">
      <TextField
        label="Server of the other service"
        value={url}
        placeholder="rtmps://live.example.com/app"
        hint="By RTMP, RTMPS or SRT: srt://host:port?streamid=…&passphrase=…"
        onChange={(event) => setUrl(event.target.value)}
        required
      />
      <TextField
        label={srt ? 'Its stream ID, unless the address has it' : 'Its stream key'}
        type="password"
        autoComplete="off"
        value={streamKey}
        onChange={(event) => setStreamKey(event.target.value)}
        required={!srt}
      />
      <Button type="submit" size="sm" busy={add.isPending}>
        Add
      </Button>
      <InlineError error={add.error} />
    </form>
  );
}
