import { useLocal, useRoom } from '@parlour/react';
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { cameraConstraints, canShareScreen, codeOf, deviceKey, type DeviceKind, micConstraints, openChosen, type Troubled } from '../lib/media.ts';
import { getPrefs, setPrefs, usePrefs } from '../lib/prefs.ts';
import { helpFor } from '../lib/problems.ts';
import { listenForShortcuts } from '../lib/shortcuts.ts';
import type { Recorder } from '../lib/recorder.ts';
import type { RoomUi } from '../room/ui.ts';

/** Everything that the buttons, menus and keys of a call do, in one place, so that they never disagree. */
export interface Controls {
  setMic(on: boolean): Promise<void>;
  setCamera(on: boolean): Promise<void>;
  /** Takes up the chosen devices and their settings, if they are in use. */
  useDevice(kind: DeviceKind): Promise<void>;
  flipCamera(): Promise<void>;
  toggleScreen(): Promise<void>;
  toggleHand(): void;
  react(emoji: string): void;
  toggleRecording(): Promise<void>;
  recording: boolean;
  toggleFullscreen(): void;
  leave(): void;
  /** Tells the person why a device does not work, and what to do. */
  reportProblem(kind: Troubled, code: string): void;
  /** The camera or microphone is being opened. */
  busy: { mic: boolean; camera: boolean; screen: boolean };
  /** The space bar holds the microphone open. */
  talking: boolean;
  canShare: boolean;
}

export const ControlsContext = createContext<Controls | null>(null);

/** The controls of the call. */
export function useControls(): Controls {
  const controls = useContext(ControlsContext);
  if (!controls) throw new Error('useControls outside of the room screen');
  return controls;
}

/** Makes the controls. Once, in the room screen. */
export function useControlsState(ui: RoomUi): Controls {
  const t = useT();
  const room = useRoom();
  const you = useLocal();
  const prefs = usePrefs();
  const [busy, setBusy] = useState({ mic: false, camera: false, screen: false });
  const [talking, setTalking] = useState(false);
  const [recorder, setRecorder] = useState<Recorder | null>(null);
  const facing = useRef<'user' | 'environment'>('user');
  const { toast } = ui;

  const reportProblem = useCallback(
    (kind: Troubled, code: string) => {
      const help = helpFor(code);
      const device = t(deviceKey(kind));
      toast({ icon: kind === 'mic' ? 'micOff' : 'cameraOff', tone: 'warn', sticky: true, text: `${t(help.title, { device })} ${t(help.text, { device })}` });
    },
    [t, toast],
  );

  /** Does `work` with the button busy; a failure becomes help. */
  const withBusy = useCallback(
    async (kind: DeviceKind, work: () => Promise<void>): Promise<void> => {
      setBusy((before) => ({ ...before, [kind]: true }));
      try {
        await work();
      } catch (error) {
        reportProblem(kind, codeOf(error));
      } finally {
        setBusy((before) => ({ ...before, [kind]: false }));
      }
    },
    [reportProblem],
  );

  const controls = useMemo(() => {
    const setMic = (on: boolean): Promise<void> => {
      const open = room.getSnapshot().you.streams.mic !== undefined;
      return withBusy('mic', () => (on && !open ? openChosen((prefs) => room.mic(micConstraints(prefs))) : room.mic(on)));
    };
    const setCamera = (on: boolean): Promise<void> => {
      const before = room.getSnapshot().you.streams.camera?.getTracks() ?? [];
      return withBusy('camera', async () => {
        await (on ? openChosen((prefs) => room.camera(cameraConstraints(prefs))) : room.camera(false));
        // A track from the preview belongs to this page: without this its light would stay on.
        if (!on) for (const track of before) track.stop();
      });
    };
    return {
      setMic: (on: boolean) => {
        setPrefs({ mic: on });
        return setMic(on);
      },
      setMicForNow: setMic,
      setCamera: (on: boolean) => {
        setPrefs({ camera: on });
        return setCamera(on);
      },
      useDevice: async (kind: DeviceKind) => {
        const now = room.getSnapshot().you;
        if (kind === 'camera' && now.camera) await setCamera(true);
        if (kind === 'mic' && now.streams.mic) {
          await withBusy('mic', async () => {
            await openChosen((prefs) => room.mic(micConstraints(prefs)));
            if (!now.mic) await room.mic(false);
          });
        }
      },
      flipCamera: () => {
        facing.current = facing.current === 'user' ? 'environment' : 'user';
        return withBusy('camera', () => room.camera(cameraConstraints(getPrefs(), facing.current)));
      },
      toggleScreen: async () => {
        if (room.getSnapshot().you.screen) return room.stopScreen();
        setBusy((before) => ({ ...before, screen: true }));
        try {
          await room.screen();
        } catch (error) {
          const code = codeOf(error);
          // Closing the picker is a decision, not a problem. Some browsers say "denied" for it.
          if (code !== 'screen_cancelled') toast({ icon: 'screenOff', tone: 'warn', text: t('screen.failed') });
        } finally {
          setBusy((before) => ({ ...before, screen: false }));
        }
      },
      toggleHand: () => void room.hand(room.getSnapshot().you.hand === null).catch(() => undefined),
      react: (emoji: string) => room.react(emoji),
      toggleFullscreen: () => {
        if (document.fullscreenElement) void document.exitFullscreen();
        else void document.documentElement.requestFullscreen?.().catch(() => undefined);
      },
      leave: () => void room.leave(),
    };
  }, [room, t, toast, withBusy]);

  const toggleRecording = useCallback(async () => {
    if (recorder) {
      setRecorder(null);
      await recorder.stop();
      toast({ icon: 'record', text: t('record.saved') });
      return;
    }
    try {
      const { startRecording } = await import('../lib/recorder.ts');
      setRecorder(startRecording(room));
      toast({ icon: 'record', text: t('record.started') });
    } catch {
      toast({ icon: 'warning', tone: 'warn', text: t('record.failed') });
    }
  }, [recorder, room, t, toast]);

  // A recording ends with the call and is not lost.
  const running = useRef<Recorder | null>(null);
  running.current = recorder;
  useEffect(() => () => void running.current?.stop(), []);

  // Keys act on what is there now, without listening anew for each change.
  const latest = useRef({ controls, ui });
  latest.current = { controls, ui };
  useEffect(() => {
    if (!prefs.shortcuts) return;
    let wasMuted = false;
    return listenForShortcuts(window, {
      onAction(action) {
        const { controls: now, ui: screen } = latest.current;
        const { you: me } = room.getSnapshot();
        switch (action) {
          case 'mic':
            return void now.setMic(!me.mic);
          case 'camera':
            return void now.setCamera(!me.camera);
          case 'hand':
            return now.toggleHand();
          case 'chat':
            return screen.openPanel(screen.panel === 'chat' ? null : 'chat');
          case 'screen':
            return void now.toggleScreen();
          case 'fullscreen':
            return now.toggleFullscreen();
          case 'help':
            return screen.openDialog('shortcuts');
        }
      },
      onTalk(on) {
        if (on) wasMuted = !room.getSnapshot().you.mic;
        if (!wasMuted) return;
        setTalking(on);
        void latest.current.controls.setMicForNow(on);
      },
    });
  }, [room, prefs.shortcuts]);

  return useMemo(
    () => ({
      ...controls,
      reportProblem,
      toggleRecording,
      recording: recorder !== null,
      busy,
      talking: talking && you.mic,
      canShare: canShareScreen(),
    }),
    [controls, reportProblem, toggleRecording, recorder, busy, talking, you.mic],
  );
}
