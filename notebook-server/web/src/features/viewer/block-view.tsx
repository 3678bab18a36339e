import { Fragment, type ReactNode } from 'react';
import type { Block, Span } from '@/api/types';
import { usePartLabel } from './parts';
import { type Group, cellsOf, sliceBlock } from './windows';

/** A block's text with the cited words marked. */
function Words({
  block,
  span,
}: {
  block: Pick<Block, 'start' | 'end' | 'text'>;
  span: Span | null;
}): ReactNode {
  return sliceBlock(block, span).map((slice, index) =>
    slice.marked ? (
      <mark key={index} data-testid="highlight">
        {slice.text}
      </mark>
    ) : (
      <Fragment key={index}>{slice.text}</Fragment>
    ),
  );
}

function TableView({ rows, span }: { rows: Block[]; span: Span | null }) {
  return (
    <div className="scroll" tabIndex={0} role="group">
      <table>
        <tbody>
          {rows.map((row) => {
            const cells = cellsOf(row);
            return (
              <tr key={row.start}>
                {cells.map((cell, index) => (
                  <td key={cell.start}>
                    <Words block={cell} span={span} />
                    {index < cells.length - 1 && (
                      <span className="cell-gap">
                        <Words block={{ start: cell.end, end: cell.end + 3, text: ' | ' }} span={span} />
                      </span>
                    )}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Content({ group, span }: { group: Group; span: Span | null }) {
  const block = group.blocks[0];
  if (!block) return null;
  const words = <Words block={block} span={span} />;
  switch (group.kind) {
    case 'heading': {
      // The pane's own title is the second level.
      const level = Math.min(6, (block.level ?? 1) + 2);
      const Tag = `h${level}` as 'h3' | 'h4' | 'h5' | 'h6';
      const size =
        ['text-[1.45em]', 'text-[1.22em]', 'text-[1.08em]'][(block.level ?? 1) - 1] ?? 'text-[1em]';
      return <Tag className={`${size} pt-[0.7em]`}>{words}</Tag>;
    }
    case 'list_item':
      return (
        <ul>
          {group.blocks.map((item) => (
            <li key={item.start}>
              <Words block={item} span={span} />
            </li>
          ))}
        </ul>
      );
    case 'table_row':
      return <TableView rows={group.blocks} span={span} />;
    case 'code':
      return (
        <pre tabIndex={0}>
          <code>{words}</code>
        </pre>
      );
    case 'caption':
      return <p className="caption">{words}</p>;
    default:
      return <p>{words}</p>;
  }
}

export function GroupView({ group, span }: { group: Group; span: Span | null }) {
  const label = usePartLabel();
  return (
    <>
      {group.page !== null && label && (
        <div
          className="flex items-center gap-3 pt-[0.6em] font-sans text-[11px] text-faint select-none"
          data-page={group.page}
        >
          <span className="h-px flex-1 bg-line" />
          {label(group.page)}
          <span className="h-px flex-1 bg-line" />
        </div>
      )}
      <Content group={group} span={span} />
    </>
  );
}
