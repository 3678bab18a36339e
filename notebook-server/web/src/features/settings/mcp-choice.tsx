import { useQuery } from '@tanstack/react-query';
import { mcp } from '@/api/endpoints';
import type { McpServer } from '@/api/mcp';
import { useResearchText } from '@/i18n/research';

interface McpChoiceProps {
  /** Names of the servers that this notebook allows. */
  chosen: readonly string[];
  onChange: (names: string[]) => void;
}

const colours: Record<McpServer['status'], string> = {
  connected: 'bg-ok',
  disconnected: 'bg-faint',
  error: 'bg-danger',
};

/** Other programs whose tools research may use in a notebook. */
export function McpChoice({ chosen, onChange }: McpChoiceProps) {
  const text = useResearchText();
  const all =
    useQuery({ queryKey: ['mcp-servers'], queryFn: mcp.list, refetchInterval: 5_000 }).data?.items ?? [];
  const known = all.map((server) => server.name);
  const gone = chosen.filter((name) => !known.includes(name));
  if (all.length + gone.length === 0) return null;
  const toggle = (name: string): void => {
    const rest = chosen.filter((each) => each !== name);
    onChange(rest.length === chosen.length ? [...rest, name].sort() : rest);
  };
  const box = (name: string) => (
    <input
      type="checkbox"
      className="mt-0.5 size-4 shrink-0 accent-accent"
      checked={chosen.includes(name)}
      onChange={() => toggle(name)}
    />
  );
  return (
    <fieldset className="grid gap-2">
      <legend className="pb-1 text-sm font-medium">{text.mcpServers}</legend>
      <p className="text-xs text-faint">{text.mcpServersHint}</p>
      {all.map((server) => (
        <div key={server.name}>
          <label className="flex items-start gap-3">
            {box(server.name)}
            <span className="min-w-0">
              <span className="font-mono text-[13px]">{server.name}</span>
              <span className="ps-2 text-xs text-faint" data-status={server.status}>
                <span
                  aria-hidden
                  className={`me-1 inline-block size-2 rounded-full ${colours[server.status]}`}
                />
                {text.mcpStates[server.status]}
              </span>
            </span>
          </label>
          <div className="ps-7 text-xs text-faint">
            {server.reason !== undefined && <p className="break-words">{server.reason}</p>}
            <McpTools server={server} />
          </div>
        </div>
      ))}
      {gone.map((name) => (
        <label key={name} className="flex items-start gap-3">
          {box(name)}
          <span>
            <span className="font-mono text-[13px]">{name}</span>
            <span className="ps-2 text-xs text-faint">{text.mcpGone}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function McpTools({ server }: { server: McpServer }) {
  const text = useResearchText();
  if (server.tools.length === 0 && server.not_offered === 0) return null;
  return (
    <details>
      <summary className="cursor-pointer">{text.mcpTools(server.tools.length)}</summary>
      <ul className="ps-3">
        {server.tools.map((tool) => (
          <li key={tool.name} className="break-words">
            <span className="font-mono">{tool.tool}</span> ({text.toolClasses[tool.class]}):{' '}
            {tool.description}
          </li>
        ))}
      </ul>
      {server.not_offered > 0 && (
        <>
          <p className="pt-1">{text.mcpNotOffered(server.not_offered)}</p>
          <ul className="ps-3">
            {server.refused.map((refused, place) => (
              <li key={place} className="break-words">
                {refused}
              </li>
            ))}
          </ul>
        </>
      )}
    </details>
  );
}
