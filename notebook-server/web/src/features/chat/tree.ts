import type { Id } from '@/api/types';

/** What the tree needs of a message. */
export interface TreeNode {
  id: Id;
  parent: Id | null;
}

/** A message on the shown path, with its place among the alternatives to it. */
export interface PathNode<T extends TreeNode> {
  node: T;
  /** Ids of all messages with the same parent, oldest first, this one among them. */
  siblings: Id[];
}

/** Which child is shown below a message; the key of the first message is `root`. */
export type Choices = Readonly<Record<string, Id>>;

export const keyOf = (parent: Id | null): string => parent ?? 'root';

const byId = (a: TreeNode, b: TreeNode): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/**
 * The path that is shown: from the first message down, at each branch the chosen child,
 * else the newest (ids are ordered by time). A message whose parent is not loaded counts
 * as a first one.
 */
export function activePath<T extends TreeNode>(nodes: readonly T[], choices: Choices): PathNode<T>[] {
  const known = new Set(nodes.map((node) => node.id));
  const children = new Map<string, T[]>();
  for (const node of [...nodes].sort(byId)) {
    const key = keyOf(node.parent !== null && known.has(node.parent) ? node.parent : null);
    const list = children.get(key);
    if (list) list.push(node);
    else children.set(key, [node]);
  }
  const path: PathNode<T>[] = [];
  const seen = new Set<Id>();
  let key = 'root';
  for (;;) {
    const options = children.get(key);
    if (!options) return path;
    const node = options.find((option) => option.id === choices[key]) ?? options.at(-1);
    if (!node || seen.has(node.id)) return path;
    seen.add(node.id);
    path.push({ node, siblings: options.map((option) => option.id) });
    key = node.id;
  }
}
