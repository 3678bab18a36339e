import { useQuery } from '@tanstack/react-query';
import { tools } from '@/api/endpoints';
import type { Tool } from '@/api/approvals';
import { useResearchText } from '@/i18n/research';

interface ToolChoiceProps {
  /** Names; null for all that only read. */
  chosen: string[] | null;
  onChange: (names: string[] | null) => void;
}

const usual = (all: readonly Tool[]): string[] =>
  all.filter((tool) => tool.class === 'read').map((tool) => tool.name);

/** Which tools research may use in a notebook. */
export function ToolChoice({ chosen, onChange }: ToolChoiceProps) {
  const text = useResearchText();
  const all = useQuery({ queryKey: ['tools'], queryFn: tools.list }).data?.items ?? [];
  if (all.length === 0) return null;
  const on = chosen ?? usual(all);
  const toggle = (name: string): void => {
    const next = on.includes(name) ? on.filter((each) => each !== name) : [...on, name];
    const same = next.length === usual(all).length && usual(all).every((each) => next.includes(each));
    onChange(same ? null : next.sort());
  };
  return (
    <fieldset className="grid gap-2">
      <legend className="pb-1 text-sm font-medium">{text.researchTools}</legend>
      <p className="text-xs text-faint">{text.researchToolsHint}</p>
      {all.map((tool) => (
        <label key={tool.name} className="flex items-start gap-3">
          <input
            type="checkbox"
            className="mt-0.5 size-4 shrink-0 accent-accent"
            checked={on.includes(tool.name)}
            onChange={() => toggle(tool.name)}
          />
          <span className="min-w-0">
            <span className="font-mono text-[13px]">{tool.name}</span>
            <span className="ps-2 text-xs text-faint">{text.toolClasses[tool.class]}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
