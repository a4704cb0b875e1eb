import { lazy, Suspense, useEffect, useRef } from 'react';
import { useT } from '../i18n/index.ts';
import { useRoomUi } from '../room/ui.ts';
import { Boundary } from '../ui/Boundary.tsx';
import { IconButton } from '../ui/IconButton.tsx';
import styles from './SidePanel.module.css';

const load = { chat: () => import('./Chat.tsx'), people: () => import('./People.tsx'), files: () => import('./Files.tsx') };
const Chat = lazy(load.chat);
const People = lazy(load.people);
const Files = lazy(load.files);

/** Fetches the panels after the call has begun, so that they open at once. */
export function preloadPanels(): void {
  for (const panel of Object.values(load)) void panel().catch(() => undefined);
}

/** Chat, people or files beside the stage; over it on a phone. */
export function SidePanel() {
  const t = useT();
  const ui = useRoomUi();
  const ref = useRef<HTMLElement>(null);
  const { panel, openPanel } = ui;

  useEffect(() => {
    if (!panel) return;
    const before = document.activeElement;
    // The chat takes the focus itself, to its text field.
    if (panel !== 'chat') ref.current?.focus({ preventScroll: true });
    return () => {
      if (before instanceof HTMLElement && before.isConnected && !document.querySelector('dialog[open]')) before.focus({ preventScroll: true });
    };
  }, [panel]);

  if (!panel) return null;
  return (
    <aside
      ref={ref}
      className={styles['panel']}
      aria-label={t(panel)}
      tabIndex={-1}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !event.defaultPrevented && !(event.target as Element).closest('[popover]')) openPanel(null);
      }}
    >
      <header className={styles['head']}>
        <h2>{t(panel)}</h2>
        <IconButton icon="close" label={t('panel.close')} onClick={() => openPanel(null)} />
      </header>
      <Boundary key={panel} fallback={<p className={styles['failed']}>{t('help.version.text')}</p>}>
        <Suspense>
          {panel === 'chat' && <Chat />}
          {panel === 'people' && <People />}
          {panel === 'files' && <Files />}
        </Suspense>
      </Boundary>
    </aside>
  );
}
