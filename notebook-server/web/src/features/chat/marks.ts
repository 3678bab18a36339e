import type { Nodes, Parent, Root, RootContent, Text } from 'mdast';

/** Marks that stand at one place of an answer, in the order they came. */
export interface MarkGroup {
  at: number;
  numbers: number[];
}

/** Groups marks by place, each number once a place. */
export function groupMarks(citations: readonly { number: number; at_utf16: number }[]): MarkGroup[] {
  const groups = new Map<number, number[]>();
  for (const { number, at_utf16: at } of citations) {
    const numbers = groups.get(at) ?? [];
    if (!numbers.includes(number)) numbers.push(number);
    groups.set(at, numbers);
  }
  return [...groups].sort(([a], [b]) => a - b).map(([at, numbers]) => ({ at, numbers }));
}

/**
 * Puts marks into a parsed Markdown tree at their UTF-16 offsets in the Markdown text.
 * Marks become elements `cite-mark`; the syntax around them is parsed already, so a
 * mark never changes it. A mark that falls on syntax or in code goes behind it.
 */
export function placeMarks(root: Root, source: string, marks: readonly MarkGroup[]): void {
  // From the back, so that earlier places stay where they are.
  for (const mark of [...marks].reverse()) place(root, source, mark);
}

function place(root: Root, source: string, mark: MarkGroup): void {
  const parents: Parent[] = [];
  let node: Nodes = root;
  for (;;) {
    if (!('children' in node)) break;
    parents.push(node);
    const next = holder(node, mark.at);
    if (!next) break;
    node = next;
  }
  const parent = parents.at(-1) ?? root;
  if (node.type === 'text') return splitText(parent, node, source, mark);
  if (node === parent) return append(parent, mark);
  insertAfter(parents, node as RootContent, mark);
}

/** The last child that begins before the place; the mark belongs to what it follows. */
function holder(parent: Parent, at: number): Nodes | null {
  let best: Nodes | null = null;
  for (const child of parent.children) {
    const start = child.position?.start.offset;
    if (start === undefined) continue;
    if (start < at || (best === null && start <= at && child.type !== 'text')) best = child;
  }
  return best;
}

function splitText(parent: Parent, node: Text, source: string, mark: MarkGroup): void {
  const start = node.position?.start.offset ?? 0;
  const end = node.position?.end.offset ?? start;
  const cut = valueIndex(node.value, source.slice(start, Math.min(end, mark.at)));
  const index = parent.children.indexOf(node);
  const rest = node.value.slice(cut);
  node.value = node.value.slice(0, cut);
  const after: RootContent[] =
    rest === '' ? [markNode(mark)] : [markNode(mark), { type: 'text', value: rest }];
  parent.children.splice(index + 1, 0, ...after);
}

/**
 * How many characters of `value` the piece of raw Markdown made: escapes, character
 * references and stripped line prefixes make the two differ.
 */
export function valueIndex(value: string, raw: string): number {
  let made = 0;
  let at = 0;
  while (at < raw.length && made < value.length) {
    const reference = raw[at] === '&' ? /^&[#\w]+;/.exec(raw.slice(at, at + 34)) : null;
    if (reference && value[made] !== '&') {
      at += reference[0].length;
      made += 1;
    } else if (raw[at] === value[made]) {
      at += 1;
      made += 1;
    } else {
      at += 1;
    }
  }
  return made;
}

const phrasing = new Set(['paragraph', 'heading', 'tableCell', 'emphasis', 'strong', 'delete']);

/** Behind a leaf such as code: in the same line when it is one, else in a line of its own. */
function insertAfter(parents: Parent[], node: RootContent, mark: MarkGroup): void {
  const parent = parents.at(-1);
  if (!parent) return;
  const index = parent.children.indexOf(node);
  const element: RootContent = phrasing.has(parent.type)
    ? markNode(mark)
    : { type: 'paragraph', children: [markNode(mark)] };
  parent.children.splice(index + 1, 0, element);
}

function append(parent: Parent, mark: MarkGroup): void {
  const element: RootContent = phrasing.has(parent.type)
    ? markNode(mark)
    : { type: 'paragraph', children: [markNode(mark)] };
  parent.children.push(element);
}

/** A node that the step to HTML turns into `<cite-mark data-numbers="1 2">`. */
const markNode = (mark: MarkGroup): Text => ({
  type: 'text',
  value: '',
  data: {
    hName: 'cite-mark',
    hProperties: { dataNumbers: mark.numbers.join(' ') },
    hChildren: [],
  },
});
