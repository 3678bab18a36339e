import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { BreakerSetting, ModelState } from '@/api/breakers';
import { setBreaker } from '@/api/endpoints';
import { useText } from '@/i18n';
import { cx } from '@/lib/cx';

const SETTINGS: readonly BreakerSetting[] = ['auto', 'closed', 'open'];

const settingOf = ({ forced, state }: ModelState): BreakerSetting => {
  if (!forced) return 'auto';
  return state === 'open' ? 'open' : 'closed';
};

/** How models of other machines stand. An operator can decide by hand whether they are called. */
export function Breakers({ models, operator }: { models: readonly ModelState[]; operator: boolean }) {
  const text = useText();
  const client = useQueryClient();
  const set = useMutation({
    mutationFn: ({ model, to }: { model: ModelState; to: BreakerSetting }) => setBreaker(model, to),
    onSettled: () => client.invalidateQueries({ queryKey: ['status'] }),
  });
  if (models.length === 0) return null;
  return (
    <ul className="grid gap-2 border-t border-line pt-3">
      {models.map((model) => (
        <li key={`${model.route} ${model.model}`} className="grid gap-1">
          <p className="flex items-baseline gap-2">
            <span className="min-w-0 flex-1 break-words">{model.model}</span>
            <span
              data-state={model.state}
              className={cx('text-xs', model.state === 'closed' ? 'text-faint' : 'text-danger')}
            >
              {text.breakerState(model.state)}
              {model.forced && ` · ${text.breakerForced}`}
            </span>
          </p>
          {operator && (
            <select
              aria-label={text.breakerSet(model.model, text.breakerRoute(model.route))}
              className="h-8 w-full rounded-lg border border-line bg-raised px-2 text-xs"
              value={settingOf(model)}
              disabled={set.isPending}
              onChange={(event) => set.mutate({ model, to: event.target.value as BreakerSetting })}
            >
              {SETTINGS.map((setting) => (
                <option key={setting} value={setting}>
                  {text.breakerSetting(setting)}
                </option>
              ))}
            </select>
          )}
        </li>
      ))}
      {set.isError && (
        <li role="alert" className="text-danger">
          {text.breakerFailed}
        </li>
      )}
    </ul>
  );
}
