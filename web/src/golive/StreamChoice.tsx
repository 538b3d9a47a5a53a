import type { LiveStream, Visibility } from '../api/models';
import { TextField } from '../ui/Field';
import { VisibilityChoice } from '../videos/VisibilityChoice';
import { SelectField } from '../ui/SelectField';

/** The stream that is sent to: one that is there, or a new one. */
export interface StreamPlan {
  id: string | null;
  title: string;
  visibility: Visibility;
}

interface StreamChoiceProps {
  streams: readonly LiveStream[];
  plan: StreamPlan;
  onChange: (plan: StreamPlan) => void;
}

const NEW = 'new';

export function StreamChoice({ streams, plan, onChange }: StreamChoiceProps) {
  return (
    <div className="space-y-4">
      {streams.length > 0 && (
        <SelectField
          label="Stream"
          value={plan.id ?? NEW}
          options={[
            ...streams.map(({ id, title }) => [id, title] as const),
            [NEW, 'New stream …'] as const,
          ]}
          onChange={(id) => onChange({ ...plan, id: id === NEW ? null : id })}
        />
      )}
      {plan.id === null && (
        <>
          <TextField
            label="Title"
            value={plan.title}
            maxLength={200}
            onChange={(event) => onChange({ ...plan, title: event.target.value })}
          />
          <VisibilityChoice
            value={plan.visibility}
            drafts={false}
            onChange={(visibility) => onChange({ ...plan, visibility })}
          />
        </>
      )}
    </div>
  );
}
