import { useEffect, useState } from 'react';
import { FileDown } from 'lucide-react';
import { useText } from '@/i18n';

/** Takes files dropped anywhere on the page, and shows that it would. */
export function DropZone({ onFiles }: { onFiles: (files: File[]) => void }) {
  const text = useText();
  const [over, setOver] = useState(false);
  useEffect(() => {
    // Entering a child comes before leaving its parent: the depth tells whether the pointer is inside.
    let depth = 0;
    const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    const enter = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      depth += 1;
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      depth -= 1;
      if (depth <= 0) setOver(false);
    };
    const allow = (event: DragEvent): void => {
      if (holdsFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent): void => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      onFiles([...(event.dataTransfer?.files ?? [])]);
    };
    const on = { dragenter: enter, dragleave: leave, dragover: allow, drop };
    for (const [name, handler] of Object.entries(on)) window.addEventListener(name, handler as EventListener);
    return () => {
      for (const [name, handler] of Object.entries(on))
        window.removeEventListener(name, handler as EventListener);
    };
  }, [onFiles]);
  if (!over) return null;
  return (
    <div className="pointer-events-none fixed inset-3 z-50 grid place-items-center rounded-3xl border-2 border-dashed border-accent bg-accent-wash/90">
      <p className="flex items-center gap-3 font-serif text-2xl font-semibold text-accent">
        <FileDown size={28} aria-hidden />
        {text.dropHere}
      </p>
    </div>
  );
}
