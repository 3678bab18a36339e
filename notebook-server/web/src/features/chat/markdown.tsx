import type { Root } from 'mdast';
import { type ComponentPropsWithoutRef, createContext, memo, useContext, useMemo } from 'react';
import ReactMarkdown, { type Components } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import type { Citation } from '@/api/types';
import { splitPieces } from './blocks';
import { CitationMark } from './citation-mark';
import { type MarkGroup, groupMarks, placeMarks } from './marks';

const Cited = createContext<readonly Citation[]>([]);

function Marks({ numbers }: { numbers: string }) {
  const citations = useContext(Cited);
  return numbers.split(' ').map((number) => {
    const citation = citations.find((each) => each.number === Number(number));
    return citation ? <CitationMark key={number} citation={citation} /> : null;
  });
}

/** A link says where it leads; nothing is fetched from there by itself. */
function Anchor({ href, children }: ComponentPropsWithoutRef<'a'>) {
  let host = '';
  try {
    host = href ? new URL(href).host : '';
  } catch {
    // A relative link: shown as text, for it would lead into this application.
  }
  if (host === '') return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
      <span className="ps-1 font-sans text-[0.75em] text-faint">({host})</span>
    </a>
  );
}

const components = {
  a: Anchor,
  img: ({ alt }: { alt?: string | undefined }) => <span className="text-faint">[{alt ?? ''}]</span>,
  table: ({ children }: ComponentPropsWithoutRef<'table'>) => (
    <div className="scroll" tabIndex={0} role="group">
      <table>{children}</table>
    </div>
  ),
  'cite-mark': ({ node }: { node?: { properties?: { dataNumbers?: string } } }) => (
    <Marks numbers={node?.properties?.dataNumbers ?? ''} />
  ),
} as Components;

/** One piece of the text; draws again only when its own text or marks change. */
const Piece = memo(function Piece({ text, marks }: { text: string; marks: string }) {
  const groups = useMemo(() => JSON.parse(marks) as MarkGroup[], [marks]);
  const plugins = useMemo(
    () => [remarkGfm, () => (tree: Root) => placeMarks(tree, text, groups)],
    [text, groups],
  );
  return (
    <ReactMarkdown remarkPlugins={plugins} components={components}>
      {text}
    </ReactMarkdown>
  );
});

/** Markdown without raw HTML and without remote images, with citation marks in their places. */
export function Markdown({ text, citations }: { text: string; citations: readonly Citation[] }) {
  const pieces = useMemo(() => splitPieces(text), [text]);
  const marks = useMemo(() => groupMarks(citations), [citations]);
  return (
    <Cited value={citations}>
      {pieces.map((piece, index) => {
        const end = piece.start + piece.text.length;
        const last = index === pieces.length - 1;
        const own = marks
          .filter(({ at }) => (at > piece.start || index === 0) && (at <= end || last))
          .map(({ at, numbers }) => ({ at: at - piece.start, numbers }));
        return <Piece key={piece.start} text={piece.text} marks={JSON.stringify(own)} />;
      })}
    </Cited>
  );
}
