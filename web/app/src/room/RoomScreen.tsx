import { RoomAudio, useRoom, useSnapshot } from '@parlour/react';
import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from 'react';
import { ControlBar } from '../controls/ControlBar.tsx';
import { ControlsContext, useControlsState } from '../controls/useControls.ts';
import { NARROW, useMedia } from '../lib/useMedia.ts';
import { usePrefs } from '../lib/prefs.ts';
import { preloadPanels, SidePanel } from '../panels/SidePanel.tsx';
import { useT } from '../i18n/index.ts';
import type { DeviceProblem } from '../screens/Call.tsx';
import { Boundary } from '../ui/Boundary.tsx';
import { Header } from './Header.tsx';
import { Reactions } from './Reactions.tsx';
import { ReconnectBanner } from './ReconnectBanner.tsx';
import styles from './RoomScreen.module.css';
import { Stage } from './Stage.tsx';
import { Toasts } from './Toasts.tsx';
import { type DialogName, type Layout, type Panel, type RoomUi, RoomUiContext, type Toast } from './ui.ts';
import { useDropFiles } from './useDropFiles.tsx';
import { useRoomNews } from './useRoomNews.ts';
import { useWakeLock } from './useWakeLock.ts';

const Invite = lazy(() => import('./Invite.tsx'));
const Settings = lazy(() => import('../screens/Settings.tsx'));
const Stats = lazy(() => import('./Stats.tsx'));
const Shortcuts = lazy(() => import('./Shortcuts.tsx'));
const EndCall = lazy(() => import('./EndCall.tsx'));

let lastToast = 0;
const MOST_TOASTS = 4;
const PRELOAD_AFTER_MS = 3_000;

/** The call. */
export function RoomScreen({ deviceProblems }: { deviceProblems: DeviceProblem[] }) {
  const t = useT();
  const room = useRoom();
  const prefs = usePrefs();
  const narrow = useMedia(NARROW);
  const [panel, setPanel] = useState<Panel | null>(null);
  const [layout, setLayout] = useState<Layout>('auto');
  const [pinned, setPinned] = useState<string | null>(null);
  const [dialog, openDialog] = useState<DialogName | null>(null);
  const [recipient, setRecipient] = useState<string | null>(null);
  const [toasts, setToasts] = useState<Toast[]>([]);
  const [readUpTo, setReadUpTo] = useState(() => room.getSnapshot().chat.at(-1)?.key ?? 0);
  const chat = useSnapshot((snapshot) => snapshot.chat);
  const you = useSnapshot((snapshot) => snapshot.you.id);
  const lastKey = chat.at(-1)?.key ?? 0;

  if (panel === 'chat' && readUpTo < lastKey) setReadUpTo(lastKey);
  const unread = panel === 'chat' ? 0 : chat.filter((message) => message.key > readUpTo && message.from !== you).length;

  const toast = useCallback((next: Omit<Toast, 'id'>) => {
    lastToast += 1;
    const id = lastToast;
    setToasts((list) => [...list.filter((shown) => shown.text !== next.text), { ...next, id }].slice(-MOST_TOASTS));
  }, []);
  const closeToast = useCallback((id: number) => setToasts((list) => list.filter((shown) => shown.id !== id)), []);

  const openPanel = useCallback((next: Panel | null) => {
    setPanel(next);
    if (next) setToasts((list) => list.filter((shown) => shown.panel !== next));
  }, []);

  const ui = useMemo<RoomUi>(
    () => ({ panel, openPanel, layout, setLayout, pinned, setPinned, dialog, openDialog, recipient, setRecipient, toast, unread }),
    [panel, openPanel, layout, pinned, dialog, recipient, toast, unread],
  );

  useEffect(() => {
    const timer = setTimeout(preloadPanels, PRELOAD_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);

  const controls = useControlsState(ui);
  useRoomNews(ui, controls, deviceProblems);
  useWakeLock();
  const drop = useDropFiles(ui);
  const covered = narrow && panel !== null;

  return (
    <RoomUiContext value={ui}>
      <ControlsContext value={controls}>
        <div className={styles['room']} data-panel={panel ?? undefined} {...drop.handlers}>
          <div className={styles['head']} inert={covered}>
            <Header />
          </div>
          <main className={styles['stage']} inert={covered}>
            <Stage />
            <Reactions />
            <div className={styles['news']}>
              <ReconnectBanner />
              <Toasts toasts={toasts} onClose={closeToast} />
            </div>
          </main>
          <SidePanel />
          <footer className={styles['bar']} inert={covered}>
            <ControlBar />
          </footer>
          {drop.overlay}
        </div>
        <RoomAudio sink={prefs.speakerId || undefined} />
        <Boundary
          key={dialog}
          onError={() => {
            openDialog(null);
            toast({ icon: 'warning', tone: 'warn', text: `${t('help.version.title')}. ${t('help.version.text')}` });
          }}
        >
          <Suspense>
            {dialog === 'invite' && <Invite onClose={() => openDialog(null)} />}
            {dialog === 'settings' && <Settings onClose={() => openDialog(null)} />}
            {dialog === 'stats' && <Stats onClose={() => openDialog(null)} />}
            {dialog === 'shortcuts' && <Shortcuts onClose={() => openDialog(null)} />}
            {dialog === 'end' && <EndCall onClose={() => openDialog(null)} />}
          </Suspense>
        </Boundary>
      </ControlsContext>
    </RoomUiContext>
  );
}
