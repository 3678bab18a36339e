import type { Source, Stage } from '@/api/types';
import type { Dictionary } from '@/i18n/en';
import { mediumOf } from './kinds';

/** What the row of a source says and shows about its ingestion. */
export interface SourceStatus {
  label: string;
  hint: string | null;
  tone: 'busy' | 'ready' | 'failed';
  /** From 0 to 1; null while the total is unknown. Undefined when nothing moves. */
  progress?: number | null;
}

/** How reading goes on depends on what there is to read. */
const readLabel = (kind: string, text: Dictionary): string =>
  ({ text: text.stageParse, image: text.stageParseImage, audio: text.stageParseAudio })[mediumOf(kind)];

const stageLabel = (stage: Stage, kind: string, text: Dictionary): string =>
  ({
    queued: text.stageQueued,
    fetch: text.stageFetch,
    parse: readLabel(kind, text),
    chunk: text.stageChunk,
    index: text.stageIndex,
    embed: text.stageEmbed,
    ready: text.fullyIndexed,
    failed: text.stageFailed,
    deleting: text.stageDeleting,
  })[stage];

export function statusOf(source: Source, text: Dictionary): SourceStatus {
  if (source.stage === 'failed') {
    return { label: text.stageFailed, hint: source.failure?.message ?? null, tone: 'failed' };
  }
  if (source.stage === 'ready') {
    return { label: source.vectors_ready ? text.fullyIndexed : text.keywordsOnly, hint: null, tone: 'ready' };
  }
  const { done, total } = source.progress;
  const progress = total > 0 ? Math.min(1, done / total) : null;
  const label = source.keywords_ready ? text.keywordReady : stageLabel(source.stage, source.kind, text);
  return { label, hint: source.keywords_ready ? text.keywordReadyHint : null, tone: 'busy', progress };
}
