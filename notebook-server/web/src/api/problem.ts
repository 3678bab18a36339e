/** An error reply, or a reply that never came, in one form. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly code: string,
    readonly detail: string,
    readonly status: number,
    readonly requestId: string | null = null,
    readonly field: string | null = null,
    /** Milliseconds after which the server wants to be asked again. */
    readonly retryAfter: number | null = null,
    /** Why a question was refused, when the code is `question_refused`. */
    readonly labels: readonly string[] = [],
  ) {
    super(detail);
  }

  /** Whether the same request may succeed later without a change. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** Reads problem+json; anything else (a proxy's HTML page) becomes a plain sentence. */
export function problemOf(
  status: number,
  body: string,
  requestId: string | null,
  retryAfter: string | null = null,
): Problem {
  let parsed: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === 'object' && value !== null) parsed = value as Record<string, unknown>;
  } catch {
    // Not JSON: the status says all there is.
  }
  return new Problem(
    text(parsed['code']) ?? `http_${status}`,
    text(parsed['detail']) ?? text(parsed['title']) ?? `The server answered with status ${status}.`,
    status,
    text(parsed['request_id']) ?? requestId,
    text(parsed['field']),
    /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) * 1000 : null,
    Array.isArray(parsed['labels']) ? parsed['labels'].filter((label) => typeof label === 'string') : [],
  );
}

export const unreachable = (): Problem =>
  new Problem('unreachable', 'The server cannot be reached. Check that it is running.', 0);

/** Any thrown value as a problem, for display. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem('unexpected', error instanceof Error ? error.message : String(error), -1);
}

export const isAbort = (error: unknown): boolean =>
  error instanceof DOMException && error.name === 'AbortError';
