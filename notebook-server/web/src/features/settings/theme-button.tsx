import { Moon, Sun } from 'lucide-react';
import { useText } from '@/i18n';
import { theme, useShownTheme } from '@/state/preferences';
import { IconButton } from '@/ui/button';

/** Turns the theme over; settings have the way back to the system's. */
export function ThemeButton() {
  const text = useText();
  const dark = useShownTheme() === 'dark';
  return (
    <IconButton
      label={`${text.theme}: ${dark ? text.themeLight : text.themeDark}`}
      className="max-sm:hidden"
      onClick={() => theme.set(dark ? 'light' : 'dark')}
    >
      {dark ? <Sun size={18} aria-hidden /> : <Moon size={18} aria-hidden />}
    </IconButton>
  );
}
