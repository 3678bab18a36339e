import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { cx } from '@/lib/cx';

export interface MenuItem {
  label: string;
  icon?: ReactNode;
  danger?: boolean;
  disabled?: boolean;
  /** One of several of which one is chosen. */
  checked?: boolean;
  /** Stands apart from what is above it. */
  separated?: boolean;
  onSelect: () => void;
}

interface MenuProps {
  label: string;
  trigger: ReactNode;
  items: MenuItem[];
  className?: string;
  align?: 'start' | 'end';
}

const ITEM = '[role^=menuitem]:not(:disabled)';

/** A button that opens a list of actions; arrow keys move, Escape closes and returns the focus. */
export function Menu({ label, trigger, items, className, align = 'end' }: MenuProps) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLElement>(ITEM)?.focus();
    const outside = (event: PointerEvent): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [open]);

  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const list = [...(root.current?.querySelectorAll<HTMLElement>(ITEM) ?? [])];
    const at = list.indexOf(document.activeElement as HTMLElement);
    const move: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: list.length - 1,
    };
    const to = move[event.key];
    if (event.key === 'Escape') close();
    else if (event.key === 'Tab') setOpen(false);
    else if (to !== undefined) list[(to + list.length) % list.length]?.focus();
    else return;
    if (event.key !== 'Tab') event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div ref={root} className="relative inline-flex max-w-full min-w-0">
      <button
        ref={button}
        type="button"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
        className={
          className ??
          'inline-flex size-8 items-center justify-center rounded-lg text-soft transition-colors hover:bg-wash hover:text-ink max-md:size-10'
        }
      >
        {trigger}
      </button>
      {open && (
        <div
          id={id}
          role="menu"
          tabIndex={-1}
          aria-label={label}
          onKeyDown={onKeyDown}
          className={cx(
            'absolute top-full z-30 mt-1 max-h-80 w-max max-w-72 min-w-44 animate-rise overflow-y-auto rounded-xl border border-line bg-raised p-1 shadow-float',
            align === 'end' ? 'end-0' : 'start-0',
          )}
        >
          {items.map((item, index) => (
            <button
              key={`${index} ${item.label}`}
              type="button"
              role={item.checked === undefined ? 'menuitem' : 'menuitemradio'}
              aria-checked={item.checked}
              tabIndex={-1}
              disabled={item.disabled}
              onClick={() => {
                close();
                item.onSelect();
              }}
              className={cx(
                'flex w-full items-center gap-2.5 rounded-lg px-3 py-2 text-start text-sm transition-colors hover:bg-wash focus-visible:bg-wash disabled:opacity-40',
                item.danger && 'text-danger',
                item.separated && 'mt-1 rounded-t-none border-t border-line pt-2.5',
              )}
            >
              {item.icon}
              <span className="truncate">{item.label}</span>
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
