import { useMutation, useQueryClient } from '@tanstack/react-query';

import type { LiveStream } from '../api/models';
import { queries } from '../api/queries';
import { InlineError } from '../ui/states';
import { setChat } from './liveStreams';

/** Whether viewers of this stream's lives may write to each other. */
export function ChatSwitch({ stream }: { stream: LiveStream }) {
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: (wanted: boolean) => setChat(stream.id, wanted),
    onSettled: () => client.invalidateQueries({ queryKey: queries.liveStreams().queryKey }),
  });
  return (
    <>
      <label className="flex items-center gap-3">
        <input
          type="checkbox"
          checked={
            change.variables !== undefined && change.isPending ? change.variables : stream.chat
          }
          disabled={change.isPending}
          onChange={({ target }) => change.mutate(target.checked)}
        />
        Viewers can write to each other
      </label>
      <InlineError error={change.error} />
    </>
  );
}
