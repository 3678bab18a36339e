import { type InputHTMLAttributes, type TextareaHTMLAttributes, useId } from 'react';
import { cx } from '@/lib/cx';

const box =
  'w-full rounded-lg border border-line-strong bg-sheet px-3 py-2 text-sm text-ink aria-invalid:border-danger';

interface Labelled {
  label: string;
  hint?: string | undefined;
  error?: string | null | undefined;
}

function Notes({
  id,
  hint,
  error,
}: {
  id: string;
  hint?: string | undefined;
  error?: string | null | undefined;
}) {
  if (!error && !hint) return null;
  return (
    <p id={id} className={cx('text-xs', error ? 'text-danger' : 'text-faint')}>
      {error ?? hint}
    </p>
  );
}

export function Field({
  label,
  hint,
  error,
  className,
  ...rest
}: Labelled & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className={cx('grid gap-1.5', className)}>
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <input
        id={id}
        className={box}
        aria-invalid={Boolean(error)}
        aria-describedby={`${id}-note`}
        {...rest}
      />
      <Notes id={`${id}-note`} hint={hint} error={error} />
    </div>
  );
}

export function TextField({
  label,
  hint,
  error,
  className,
  ...rest
}: Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const id = useId();
  return (
    <div className={cx('grid gap-1.5', className)}>
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <textarea
        id={id}
        className={cx(box, 'resize-y leading-relaxed')}
        aria-invalid={Boolean(error)}
        aria-describedby={`${id}-note`}
        {...rest}
      />
      <Notes id={`${id}-note`} hint={hint} error={error} />
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: { value: T; label: string }[];
  onChange: (value: T) => void;
}

/** A few options side by side; radio buttons to the keyboard and to screen readers. */
export function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  const name = useId();
  return (
    <fieldset className="grid gap-1.5">
      <legend className="pb-1.5 text-sm font-medium">{label}</legend>
      <div className="flex w-fit rounded-lg bg-wash p-0.5">
        {options.map((option) => (
          <label
            key={option.value}
            className={cx(
              'cursor-pointer rounded-md px-3 py-1.5 text-sm transition-colors has-focus-visible:outline-2 has-focus-visible:outline-accent',
              option.value === value
                ? 'bg-raised font-medium text-ink shadow-xs'
                : 'text-soft hover:text-ink',
            )}
          >
            <input
              type="radio"
              name={name}
              className="sr-only"
              checked={option.value === value}
              onChange={() => onChange(option.value)}
            />
            {option.label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
