import { Pencil } from 'lucide-react';
import { type KeyboardEvent, useState } from 'react';
import type { Id, Message } from '@/api/types';
import { useText } from '@/i18n';
import { Button, IconButton } from '@/ui/button';
import { useMay } from '@/state/session';
import { BranchSwitch } from './branch-switch';

interface QuestionProps {
  message: Pick<Message, 'id' | 'text'>;
  siblings: Id[];
  locked: boolean;
  onChoose: (id: Id) => void;
  onEdit: (question: string) => void;
}

/** A person's question; editing it asks anew beside the old one. */
export function Question({ message, siblings, locked, onChoose, onEdit }: QuestionProps) {
  const text = useText();
  const [draft, setDraft] = useState<string | null>(null);
  const mayAsk = useMay('chat');
  const ask = (): void => {
    if (draft === null || draft.trim() === '') return;
    onEdit(draft.trim());
    setDraft(null);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') setDraft(null);
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      ask();
    }
  };
  if (draft !== null) {
    return (
      <div className="grid gap-2 pb-6">
        <textarea
          autoFocus
          aria-label={text.editQuestion}
          value={draft}
          rows={Math.min(8, draft.split('\n').length + 1)}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
          className="w-full resize-none rounded-2xl border border-line-strong bg-raised px-4 py-3 text-[15px]"
        />
        <div className="flex justify-end gap-2">
          <Button onClick={() => setDraft(null)}>{text.cancel}</Button>
          <Button look="primary" disabled={locked || draft.trim() === ''} onClick={ask}>
            {text.askAgain}
          </Button>
        </div>
      </div>
    );
  }
  return (
    <div className="group/question flex flex-col items-end pb-5" data-testid="question">
      <h3 className="sr-only">{text.you}</h3>
      <div className="flex w-full items-center justify-end gap-1">
        {mayAsk && (
          <IconButton
            label={text.editQuestion}
            disabled={locked}
            onClick={() => setDraft(message.text)}
            className="opacity-0 transition-opacity group-hover/question:opacity-100 focus-visible:opacity-100 pointer-coarse:opacity-100"
          >
            <Pencil size={14} aria-hidden />
          </IconButton>
        )}
        <p className="max-w-[85%] rounded-2xl rounded-ee-md bg-wash px-4 py-2.5 text-[15px] leading-relaxed break-words whitespace-pre-wrap">
          {message.text}
        </p>
      </div>
      <BranchSwitch current={message.id} siblings={siblings} onChoose={onChoose} />
    </div>
  );
}
