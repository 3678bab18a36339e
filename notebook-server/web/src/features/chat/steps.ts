import type { ResearchDictionary } from '@/i18n/research/en';
import type { Step } from '@/state/runs/reducer';

/** A word of a tool's arguments; null where they are cut off, or no JSON. */
function given(step: Step, name: string): string | null {
  try {
    const value: unknown = JSON.parse(step.arguments);
    const field = typeof value === 'object' && value !== null && (value as Record<string, unknown>)[name];
    return typeof field === 'string' ? field : null;
  } catch {
    return null;
  }
}

/** What exactly was asked, where the sentence leaves it out: a query, or the arguments of a tool of another program. */
export function stepDetail(step: Step): string | null {
  if (step.tool === 'query_table') return given(step, 'sql');
  if (!step.tool.includes('__') || /^\s*(\{\s*\})?\s*$/.test(step.arguments)) return null;
  return step.arguments;
}

/** Why a step did not work, in words; codes that have none are shown as they are. */
export const stepFailure = (code: string, text: ResearchDictionary): string =>
  Object.hasOwn(text.stepFailures, code) ? (text.stepFailures[code] ?? code) : text.stepFailed(code);

/** What a step did, in a sentence. A tool of another program is called by its name. */
export function stepLabel(step: Step, text: ResearchDictionary): string {
  const about = (name: string, say: (what: string) => string): string => {
    const what = given(step, name);
    return what === null ? text.stepOther(step.tool) : say(what);
  };
  switch (step.tool) {
    case 'search_sources':
      return about('query', text.stepSearched);
    case 'read_span':
      return text.stepRead;
    case 'list_sources':
      return text.stepListed;
    case 'calculate':
      return about('expression', text.stepCalculated);
    case 'query_table':
      return text.stepQueried;
    case 'write_note':
      return about('title', text.stepNoted);
    case 'fetch_url':
      return about('url', text.stepFetched);
    default:
      return text.stepOther(step.tool);
  }
}
