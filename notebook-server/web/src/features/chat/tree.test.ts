import { describe, expect, it } from 'vitest';
import { activePath } from './tree';

const node = (id: string, parent: string | null): { id: string; parent: string | null } => ({ id, parent });
const ids = (nodes: { id: string; parent: string | null }[], choices = {}): string[] =>
  activePath(nodes, choices).map((each) => each.node.id);

describe('activePath', () => {
  const talk = [node('4', '3'), node('3', '2'), node('2', '1'), node('1', null)];

  it('follows a plain conversation in order', () => {
    expect(ids(talk)).toEqual(['1', '2', '3', '4']);
  });

  it('shows the newest branch, and another when chosen', () => {
    const branched = [...talk, node('5', '2'), node('6', '5')];
    expect(ids(branched)).toEqual(['1', '2', '5', '6']);
    expect(ids(branched, { '2': '3' })).toEqual(['1', '2', '3', '4']);
    expect(activePath(branched, {})[2]?.siblings).toEqual(['3', '5']);
  });

  it('lets the first question have alternatives', () => {
    expect(ids([...talk, node('7', null)], { root: '1' })).toEqual(['1', '2', '3', '4']);
    expect(ids([...talk, node('7', null)])).toEqual(['7']);
  });

  it('starts at the oldest loaded message when older ones are not loaded', () => {
    expect(ids(talk.slice(0, 2))).toEqual(['3', '4']);
  });

  it('ends on a circle', () => {
    expect(ids([node('1', null), node('2', '1'), node('1', '2')])).toEqual(['1', '2']);
  });

  it('stays quick with 10,000 messages', () => {
    const long = Array.from({ length: 10_000 }, (_, i) =>
      node(String(i).padStart(6, '0'), i === 0 ? null : String(i - 1).padStart(6, '0')),
    );
    expect(activePath(long, {})).toHaveLength(10_000);
  });
});
