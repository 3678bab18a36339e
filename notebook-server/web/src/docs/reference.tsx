import { type ReactNode, useEffect, useState } from 'react';
import { json } from '@/api/client';
import { useText } from '@/i18n';
import { cx } from '@/lib/cx';
import { ErrorNote, Spinner } from '@/ui/feedback';
import { type Endpoint, type OpenApi, endpointsByTag } from './openapi';
import { BodyView, Fields, TypeText } from './schema-view';

/** Reads /openapi.json and shows it; works offline and under the strict content policy. */
export function Reference() {
  const text = useText();
  const [document_, setDocument] = useState<OpenApi | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const abort = new AbortController();
    json<OpenApi>('/openapi.json', { signal: abort.signal }).then(setDocument, (reason: unknown) => {
      if (!abort.signal.aborted) setError(reason);
    });
    return () => abort.abort();
  }, []);
  return (
    <>
      {document_ && <Shown document={document_} />}
      {error !== null && <ErrorNote error={error} />}
      {!document_ && error === null && <Spinner label={text.loading} className="p-8" />}
    </>
  );
}

function Shown({ document: api }: { document: OpenApi }) {
  const groups = endpointsByTag(api);
  const schemas = Object.entries(api.components?.schemas ?? {});
  return (
    <div className="mx-auto grid max-w-6xl gap-10 px-5 py-10 lg:grid-cols-[15rem_minmax(0,1fr)]">
      <nav
        aria-label="API"
        className="top-10 hidden max-h-[calc(100dvh-5rem)] self-start overflow-y-auto text-sm lg:sticky lg:block"
      >
        {groups.map(([tag, endpoints]) => (
          <div key={tag} className="pb-4">
            <p className="pb-1 font-medium">{tag}</p>
            {endpoints.map(({ id, method, path }) => (
              <a key={id} href={`#${id}`} className="block truncate py-0.5 text-soft hover:text-ink">
                <span className="inline-block w-14 font-mono text-[11px] text-faint">{method}</span>
                {path.replace(/^\/api/, '')}
              </a>
            ))}
          </div>
        ))}
      </nav>
      <main className="grid gap-10">
        <header>
          <h1 className="font-serif text-4xl font-semibold tracking-tight">{api.info.title}</h1>
          <p className="pt-1 text-faint">
            {api.info.version} ·{' '}
            <a className="text-accent underline underline-offset-2" href="/openapi.json">
              openapi.json
            </a>
          </p>
          {api.info.description && (
            <p className="max-w-prose pt-3 whitespace-pre-line text-soft">{api.info.description}</p>
          )}
        </header>
        {groups.map(([tag, endpoints]) => (
          <section key={tag} className="grid gap-3">
            <h2 className="font-serif text-2xl font-semibold">{tag}</h2>
            {endpoints.map((endpoint) => (
              <EndpointView key={endpoint.id} endpoint={endpoint} />
            ))}
          </section>
        ))}
        {schemas.length > 0 && (
          <section className="grid gap-3">
            <h2 className="font-serif text-2xl font-semibold">Schemas</h2>
            {schemas.map(([name, schema]) => (
              <article
                key={name}
                id={`schema-${name}`}
                className="scroll-mt-6 rounded-2xl border border-line bg-sheet p-5"
              >
                <h3 className="pb-2 font-mono text-sm font-semibold">{name}</h3>
                {schema.description && <p className="pb-2 text-soft">{schema.description}</p>}
                <Fields schema={schema} />
              </article>
            ))}
          </section>
        )}
      </main>
    </div>
  );
}

const Part = ({ title, children }: { title: string; children: ReactNode }) => (
  <div className="grid gap-1.5">
    <h4 className="text-xs font-medium text-faint">{title}</h4>
    {children}
  </div>
);

function EndpointView({ endpoint: { id, method, path, operation } }: { endpoint: Endpoint }) {
  const parameters = operation.parameters ?? [];
  return (
    <article id={id} className="grid scroll-mt-6 gap-4 rounded-2xl border border-line bg-sheet p-5">
      <div>
        <h3 className="flex flex-wrap items-center gap-x-3 gap-y-1 font-mono text-sm font-semibold">
          <span
            className={cx(
              'rounded-md px-2 py-0.5 text-xs',
              method === 'DELETE' ? 'bg-danger-wash text-danger' : 'bg-accent-wash text-accent',
            )}
          >
            {method}
          </span>
          <span className="break-all">{path}</span>
        </h3>
        {operation.summary && <p className="pt-2">{operation.summary}</p>}
        {operation.description && (
          <p className="pt-1 whitespace-pre-line text-soft">{operation.description}</p>
        )}
      </div>
      {parameters.length > 0 && (
        <Part title="Parameters">
          {parameters.map((each) => (
            <p key={`${each.in}-${each.name}`} className="text-sm">
              <code className="font-mono text-xs">
                {each.name}
                {each.required ? '' : '?'}
              </code>{' '}
              <span className="text-xs text-faint">{each.in}</span> <TypeText schema={each.schema} />
              {each.description && <span className="block text-soft">{each.description}</span>}
            </p>
          ))}
        </Part>
      )}
      {operation.requestBody && (
        <Part title="Body">
          <BodyView content={operation.requestBody.content} />
        </Part>
      )}
      <Part title="Replies">
        {Object.entries(operation.responses ?? {}).map(([status, response]) => (
          <div key={status} className="grid gap-1 text-sm">
            <p>
              <code className="font-mono text-xs font-semibold">{status}</code>{' '}
              <span className="text-soft">{response.description}</span>
            </p>
            <BodyView content={response.content} />
          </div>
        ))}
      </Part>
    </article>
  );
}
