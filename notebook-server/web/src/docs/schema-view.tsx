import type { Schema } from './openapi';
import { refName, typeName } from './openapi';

/** A type as text, with links to the shapes that it names. */
export function TypeText({ schema }: { schema: Schema | undefined }) {
  const parts = typeName(schema).split(/(\b[A-Z]\w+\b)/);
  return (
    <code className="font-mono text-xs break-words text-soft">
      {parts.map((part, index) =>
        /^[A-Z]\w+$/.test(part) ? (
          <a key={index} href={`#schema-${part}`} className="text-accent underline underline-offset-2">
            {part}
          </a>
        ) : (
          part
        ),
      )}
    </code>
  );
}

/** The fields of an object; the parts of a composed one after another. */
export function Fields({ schema }: { schema: Schema }) {
  const parts = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (parts) {
    return (
      <div className="grid gap-2 border-s-2 border-line ps-3">
        {parts.map((part, index) =>
          part.$ref ? <TypeText key={index} schema={part} /> : <Fields key={index} schema={part} />,
        )}
      </div>
    );
  }
  const fields = Object.entries(schema.properties ?? {});
  if (fields.length === 0) return <TypeText schema={schema} />;
  return (
    <dl className="grid gap-x-4 gap-y-1.5 sm:grid-cols-[minmax(8rem,auto)_1fr]">
      {fields.map(([name, field]) => (
        <div key={name} className="contents">
          <dt className="font-mono text-xs leading-5">
            {name}
            {schema.required?.includes(name) ? '' : <span className="text-faint">?</span>}
          </dt>
          <dd className="text-sm max-sm:pb-1">
            <TypeText schema={field} />
            {field.description && <span className="block text-soft">{field.description}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function BodyView({ content }: { content: Record<string, { schema?: Schema }> | undefined }) {
  return Object.entries(content ?? {}).map(([type, { schema }]) => (
    <div key={type} className="grid gap-1.5 pt-1">
      <p className="font-mono text-xs text-faint">{type}</p>
      {schema &&
        (schema.$ref ? (
          <a
            href={`#schema-${refName(schema.$ref)}`}
            className="w-fit font-mono text-xs text-accent underline underline-offset-2"
          >
            {refName(schema.$ref)}
          </a>
        ) : (
          <Fields schema={schema} />
        ))}
    </div>
  ));
}
