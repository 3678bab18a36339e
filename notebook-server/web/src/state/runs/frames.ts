/**
 * Collects values and hands them over once a frame, so that a fast stream costs one
 * render a frame. A hidden page gets no frames: there a slow timer takes over.
 */
export interface Batcher<T> {
  push: (value: T) => void;
  /** Hands over what waits now. */
  flush: () => void;
}

const HIDDEN_INTERVAL = 250;

export function frameBatcher<T>(deliver: (values: T[]) => void): Batcher<T> {
  let waiting: T[] = [];
  let cancel: (() => void) | null = null;
  const flush = (): void => {
    cancel?.();
    cancel = null;
    if (waiting.length === 0) return;
    const values = waiting;
    waiting = [];
    deliver(values);
  };
  const schedule = (): (() => void) => {
    if (document.hidden) {
      const timer = setTimeout(flush, HIDDEN_INTERVAL);
      return () => clearTimeout(timer);
    }
    const frame = requestAnimationFrame(flush);
    return () => cancelAnimationFrame(frame);
  };
  return {
    push: (value) => {
      waiting.push(value);
      cancel ??= schedule();
    },
    flush,
  };
}
