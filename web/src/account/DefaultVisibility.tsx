import { useMutation, useQueryClient } from '@tanstack/react-query';

import type { Visibility } from '../api/models';
import { queries } from '../api/queries';
import { changeDefaultVisibility } from '../auth/account';
import { useNotify } from '../ui/notifications';
import { InlineError } from '../ui/states';
import { VisibilityChoice } from '../videos/VisibilityChoice';
import { Section } from './Section';

export function DefaultVisibility({ current }: { current: Visibility }) {
  const client = useQueryClient();
  const notify = useNotify();
  const save = useMutation({
    mutationFn: changeDefaultVisibility,
    onSuccess: async () => {
      notify('Saved for your next uploads.');
      await client.invalidateQueries({ queryKey: queries.me().queryKey });
    },
  });
  return (
    <Section title="Uploads" lead="You can still choose for each video.">
      <VisibilityChoice
        legend="Who can see my new videos"
        value={save.isPending ? save.variables : current}
        onChange={(visibility) => save.mutate(visibility)}
      />
      <InlineError error={save.error} />
    </Section>
  );
}
