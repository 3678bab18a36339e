import { describe, expect, it } from 'vitest';
import { type SseEvent, sseParser } from './parser';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function parse(stream: string, size: number): SseEvent[] {
  const parser = sseParser();
  const whole = bytes(stream);
  const events: SseEvent[] = [];
  for (let at = 0; at < whole.length; at += size)
    events.push(...parser.feed(whole.slice(at, at + size)).events);
  return events;
}

describe('sseParser', () => {
  const stream =
    'id: r:1\nevent: delta\ndata: {"text":"Grüße 👋"}\n\n: beat\r\nid: r:2\r\ndata: a\r\ndata: b\r\n\r\n';
  const expected = [
    { name: 'delta', id: 'r:1', data: '{"text":"Grüße 👋"}' },
    { name: 'message', id: 'r:2', data: 'a\nb' },
  ];

  it.each([1, 2, 3, 7, 1000])('gives the same events in pieces of %i bytes (S4, S6, S10, S26)', (size) => {
    expect(parse(stream, size)).toEqual(expected);
  });

  it('keeps the last id for events without one', () => {
    expect(parse('id: r:9\ndata: a\n\ndata: b\n\n', 4).map((event) => event.id)).toEqual(['r:9', 'r:9']);
  });

  it('starts from the id it resumes after', () => {
    expect(sseParser('r:4').feed(bytes('data: x\n\n')).events[0]?.id).toBe('r:4');
  });

  it('reports heartbeats and the time to wait', () => {
    const parser = sseParser();
    expect(parser.feed(bytes(': beat\n\n'))).toEqual({ events: [], retry: null, heartbeat: true });
    expect(parser.feed(bytes('retry: 2500\n\n')).retry).toBe(2500);
  });

  it('drops an event that the end cuts off (S28)', () => {
    expect(parse('data: a\n\ndata: half', 5)).toHaveLength(1);
  });

  it('goes on after bytes that are not UTF-8 (S11)', () => {
    const parser = sseParser();
    const broken = new Uint8Array([...bytes('data: a'), 0xff, ...bytes('b\n\n')]);
    expect(parser.feed(broken).events[0]?.data).toBe('a\ufffdb');
  });
});
