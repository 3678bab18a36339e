import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { type Notebook } from '@/api/types';
import { changeNotebook } from '@/features/notebooks/queries';
import { useText } from '@/i18n';
import { Button } from '@/ui/button';
import { ErrorNote } from '@/ui/feedback';
import { Field, TextField } from '@/ui/field';
import { McpChoice } from './mcp-choice';
import { ToolChoice } from './tool-choice';
import { type ModelForm, formOf, numberIn, settingsOf } from './model-form';

/** How answers are made in one notebook. */
export function NotebookForm({ notebook, onDone }: { notebook: Notebook; onDone: () => void }) {
  const text = useText();
  const client = useQueryClient();
  const [form, setForm] = useState(() => formOf(notebook.settings.model));
  const [general, setGeneral] = useState(notebook.settings.allow_general_knowledge);
  const [tools, setTools] = useState(notebook.settings.tools ?? null);
  const [servers, setServers] = useState(notebook.settings.mcp_servers ?? []);
  const model = settingsOf(form, notebook.settings.model);
  const work = useMutation({
    mutationFn: async () => {
      if (model)
        await changeNotebook(client, notebook.id, {
          settings: {
            model,
            allow_general_knowledge: general,
            ...(tools && { tools }),
            mcp_servers: servers,
          },
        });
    },
    onSuccess: onDone,
  });
  const field = (name: keyof ModelForm) => ({
    value: form[name],
    placeholder: text.serverDefault,
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value }),
  });
  const wrong = (name: 'temperature' | 'top_p' | 'max_tokens', from: string, to: string): string | null =>
    numberIn(name, form[name]) === undefined ? text.outOfRange(from, to) : null;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (model) work.mutate();
  };
  return (
    <form onSubmit={submit} className="mt-6 grid gap-4 border-t border-line pt-5">
      <h3 className="font-serif text-lg font-semibold">{text.notebookSettings}</h3>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label={text.modelName} {...field('model')} />
        <Field
          label={text.maxTokens}
          inputMode="numeric"
          error={wrong('max_tokens', '1', '1,000,000')}
          {...field('max_tokens')}
        />
        <Field
          label={text.temperature}
          inputMode="decimal"
          hint={text.temperatureHint}
          error={wrong('temperature', '0', '2')}
          {...field('temperature')}
        />
        <Field
          label={text.topP}
          inputMode="decimal"
          hint={text.topPHint}
          error={wrong('top_p', '0.01', '1')}
          {...field('top_p')}
        />
      </div>
      <TextField
        label={text.systemPrompt}
        hint={text.systemPromptHint}
        rows={3}
        {...field('system_prompt')}
        placeholder=""
      />
      <label className="flex items-start gap-3">
        <input
          type="checkbox"
          className="mt-0.5 size-4 shrink-0 accent-accent"
          checked={general}
          onChange={(event) => setGeneral(event.target.checked)}
        />
        <span>
          <span className="block text-sm font-medium">{text.generalKnowledge}</span>
          <span className="block text-xs text-faint">{text.generalKnowledgeHint}</span>
        </span>
      </label>
      <ToolChoice chosen={tools} onChange={setTools} />
      <McpChoice chosen={servers} onChange={setServers} />
      {work.error && <ErrorNote error={work.error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onDone}>{text.cancel}</Button>
        <Button look="primary" type="submit" disabled={!model || work.isPending}>
          {text.save}
        </Button>
      </div>
    </form>
  );
}
