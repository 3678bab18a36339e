import { Link } from 'wouter';
import type { Notebook } from '@/api/types';
import { languages, useText } from '@/i18n';
import { useGuardText } from '@/i18n/guard';
import { type Theme, language, theme, useLanguage, useTheme } from '@/state/preferences';
import { useMay, useSession } from '@/state/session';
import { Dialog } from '@/ui/dialog';
import { Choice } from '@/ui/field';
import { NotebookForm } from './notebook-form';

export function SettingsDialog({ notebook, onClose }: { notebook?: Notebook; onClose: () => void }) {
  const text = useText();
  const guard = useGuardText();
  const hasAccounts = useSession() !== null;
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
      {!hasAccounts && (
        <p className="mt-5 border-t border-line pt-4 text-sm">
          <Link href="/reports" onClick={onClose} className="font-medium underline underline-offset-2">
            {guard.reports}
          </Link>
          <span className="block pt-0.5 text-xs text-faint">{guard.reportsHint}</span>
        </p>
      )}
      {notebook && mayWrite && <NotebookForm notebook={notebook} onDone={onClose} />}
    </Dialog>
  );
}
