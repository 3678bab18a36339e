import type { Notebook } from '@/api/types';
import { languages, useText } from '@/i18n';
import { type Theme, language, theme, useLanguage, useTheme } from '@/state/preferences';
import { useMay } from '@/state/session';
import { Dialog } from '@/ui/dialog';
import { Choice } from '@/ui/field';
import { NotebookForm } from './notebook-form';

export function SettingsDialog({ notebook, onClose }: { notebook?: Notebook; onClose: () => void }) {
  const text = useText();
  const mayWrite = useMay('notebook.write');
  const themes: { value: Theme; label: string }[] = [
    { value: 'system', label: text.themeSystem },
    { value: 'light', label: text.themeLight },
    { value: 'dark', label: text.themeDark },
  ];
  return (
    <Dialog title={text.settings} onClose={onClose}>
      <div className="flex flex-wrap gap-x-8 gap-y-4">
        <Choice label={text.theme} value={useTheme()} options={themes} onChange={theme.set} />
        <Choice
          label={text.language}
          value={useLanguage()}
          options={languages.map(({ code, name }) => ({ value: code, label: name }))}
          onChange={language.set}
        />
      </div>
      {notebook && mayWrite && <NotebookForm notebook={notebook} onDone={onClose} />}
    </Dialog>
  );
}
