import { useCallback, useMemo } from 'react';
import { useSearchParams } from 'wouter';
import type { Id, Span } from '@/api/types';
import { isUuid } from '@/lib/uuid';

/** What the reader shows. */
export interface Reading {
  source: Id;
  span: Span | null;
}

/** Where the person is in a notebook. It lives in the address, so reload and back work. */
export interface Place {
  conversation: Id | null;
  reading: Reading | null;
}

export function parsePlace(params: URLSearchParams): Place {
  const conversation = params.get('c') ?? '';
  const source = params.get('s') ?? '';
  const span = /^(\d+)-(\d+)$/.exec(params.get('at') ?? '');
  return {
    conversation: isUuid(conversation) ? conversation : null,
    reading: isUuid(source)
      ? { source, span: span ? { start: Number(span[1]), end: Number(span[2]) } : null }
      : null,
  };
}

export function placeParams({ conversation, reading }: Place): Record<string, string> {
  return {
    ...(conversation ? { c: conversation } : {}),
    ...(reading ? { s: reading.source } : {}),
    ...(reading?.span ? { at: `${reading.span.start}-${reading.span.end}` } : {}),
  };
}

export interface Places {
  place: Place;
  toConversation: (id: Id, replace?: boolean) => void;
  read: (reading: Reading | null) => void;
}

export function usePlace(): Places {
  const [params, setParams] = useSearchParams();
  const place = useMemo(() => parsePlace(params), [params]);
  const toConversation = useCallback(
    (id: Id, replace = false) =>
      setParams((before) => placeParams({ ...parsePlace(before), conversation: id }), { replace }),
    [setParams],
  );
  const read = useCallback(
    (reading: Reading | null) => setParams((before) => placeParams({ ...parsePlace(before), reading })),
    [setParams],
  );
  return { place, toConversation, read };
}
