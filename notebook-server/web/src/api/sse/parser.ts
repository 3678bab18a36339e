import { createParser } from 'eventsource-parser';

export interface SseEvent {
  /** The event's name; `message` when the stream gives none. */
  name: string;
  /** The last id seen up to and with this event. */
  id: string;
  data: string;
}

export interface SseBatch {
  events: SseEvent[];
  /** Reconnection time asked for by the server in this piece, in milliseconds. */
  retry: number | null;
  /** Whether the piece held a comment, the server's sign of life. */
  heartbeat: boolean;
}

export interface SseParser {
  /** Takes the next bytes, cut anywhere, and returns what they complete. */
  feed: (bytes: Uint8Array) => SseBatch;
}

/** Parser state of one connection. No I/O and no clock; an unfinished event at the end is dropped. */
export function sseParser(lastId = ''): SseParser {
  const decoder = new TextDecoder('utf-8');
  let id = lastId;
  let batch: SseBatch = { events: [], retry: null, heartbeat: false };
  const parser = createParser({
    onEvent: (event) => {
      id = event.id ?? id;
      batch.events.push({ name: event.event ?? 'message', id, data: event.data });
    },
    onRetry: (milliseconds) => {
      batch.retry = milliseconds;
    },
    onComment: () => {
      batch.heartbeat = true;
    },
  });
  return {
    feed: (bytes) => {
      batch = { events: [], retry: null, heartbeat: false };
      parser.feed(decoder.decode(bytes, { stream: true }));
      return batch;
    },
  };
}
