import { join, type JoinOptions, type Room } from '@parlour/client';
import { RoomProvider } from '@parlour/react';
import { useCallback, useEffect, useRef, useState } from 'react';
import { codeOf, openDevice } from '../lib/media.ts';
import { getPrefs } from '../lib/prefs.ts';
import { rememberRoom } from '../lib/recent.ts';
import { roomLink } from '../lib/router.ts';
import { forgetInAddress, keptToken, keepToken } from '../lib/token.ts';
import { InCall } from './InCall.tsx';
import { Joining } from './Joining.tsx';
import { Over } from './Over.tsx';
import { type Entry, Prejoin } from './Prejoin.tsx';

type Phase =
  | { at: 'prejoin' }
  | { at: 'joining' }
  | { at: 'in'; room: Room; deviceProblems: DeviceProblem[] }
  | { at: 'over'; code: string; message: string };

/** A device that could not be opened while joining at once. */
export interface DeviceProblem {
  kind: 'mic' | 'camera';
  code: string;
}

declare global {
  interface Window {
    /** The call now, for diagnosis and tests. */
    parlour: { room: Room | null };
  }
}

window.parlour = { room: null };

/** What the link asks for: `?name=Ann&join` joins at once, `&cam=0` and `&mic=0` without. */
function readQuery(query: URLSearchParams): { name: string | null; join: boolean; camera: boolean; mic: boolean; token: string | null } {
  const off = (key: string): boolean => ['0', 'false', 'off'].includes(query.get(key) ?? '');
  return {
    name: query.get('name')?.trim().slice(0, 64) || null,
    join: query.has('join') && !off('join'),
    camera: !off('cam'),
    mic: !off('mic'),
    token: query.get('token'),
  };
}

/** Opens what is wanted; what fails is reported instead of thrown, because the call works without it. */
async function openDevices(wanted: { camera: boolean; mic: boolean }): Promise<Omit<Entry, 'name'> & { problems: DeviceProblem[] }> {
  const problems: DeviceProblem[] = [];
  const open = async (kind: 'mic' | 'camera'): Promise<MediaStreamTrack | null> => {
    if (!wanted[kind]) return null;
    try {
      return await openDevice(kind);
    } catch (error) {
      problems.push({ kind, code: codeOf(error) });
      return null;
    }
  };
  const [camera, mic] = await Promise.all([open('camera'), open('mic')]);
  return { camera, mic, problems };
}

/** A room, from before the call to after it. */
export function Call({ name: roomName, query }: { name: string; query: URLSearchParams }) {
  const [asked] = useState(() => {
    const read = readQuery(query);
    return { ...read, token: read.token ?? keptToken(roomName) };
  });
  const [phase, setPhase] = useState<Phase>(asked.join ? { at: 'joining' } : { at: 'prejoin' });
  const entry = useRef<Entry | null>(null);
  const running = useRef<AbortController | null>(null);

  /** Ends what is going on, with its devices. */
  const stop = useCallback(() => {
    running.current?.abort();
    running.current = null;
    entry.current?.camera?.stop();
    entry.current?.mic?.stop();
    entry.current = null;
    window.parlour.room = null;
  }, []);

  const enter = useCallback(
    async (next: Entry, deviceProblems: DeviceProblem[], password?: string): Promise<void> => {
      running.current?.abort();
      const abort = new AbortController();
      running.current = abort;
      entry.current = next;
      setPhase({ at: 'joining' });
      const options: JoinOptions = { name: next.name, signal: abort.signal };
      if (next.camera) options.camera = next.camera;
      if (next.mic) options.mic = next.mic;
      if (password) options.password = password;
      if (asked.token) options.token = asked.token;
      try {
        const room = await join(roomLink(roomName), options);
        if (abort.signal.aborted) return void room.leave();
        window.parlour.room = room;
        rememberRoom(roomName);
        setPhase({ at: 'in', room, deviceProblems });
      } catch (error) {
        if (abort.signal.aborted) return;
        if (codeOf(error) === 'bad_token') keepToken(roomName, null);
        setPhase({ at: 'over', code: codeOf(error), message: error instanceof Error ? error.message : String(error) });
      }
    },
    [asked.token, roomName],
  );

  const enterAtOnce = useCallback(
    async (signal: AbortSignal, password?: string): Promise<void> => {
      setPhase({ at: 'joining' });
      const prefs = getPrefs();
      const opened = await openDevices(
        asked.join ? { camera: asked.camera, mic: asked.mic } : { camera: prefs.camera, mic: prefs.mic },
      );
      if (signal.aborted) {
        opened.camera?.stop();
        opened.mic?.stop();
        return;
      }
      await enter({ name: asked.name ?? (prefs.name || 'Guest'), camera: opened.camera, mic: opened.mic }, opened.problems, password);
    },
    [asked, enter],
  );

  useEffect(() => {
    document.title = `${roomName} · Parlour`;
  }, [roomName]);

  useEffect(() => {
    if (!query.has('token')) return;
    keepToken(roomName, asked.token);
    forgetInAddress('token');
  }, [asked, query, roomName]);

  useEffect(() => {
    const abort = new AbortController();
    if (asked.join) void enterAtOnce(abort.signal);
    return () => {
      abort.abort();
      stop();
    };
  }, [asked, enterAtOnce, stop]);

  const again = (password?: string): void => {
    const last = entry.current;
    const live = (track: MediaStreamTrack | null | undefined): boolean => !track || track.readyState === 'live';
    if (last && live(last.camera) && live(last.mic) && phase.at === 'over') void enter(last, [], password);
    else {
      stop();
      void enterAtOnce(new AbortController().signal, password);
    }
  };

  switch (phase.at) {
    case 'prejoin':
      return <Prejoin room={roomName} name={asked.name} onJoin={(next) => void enter(next, [])} />;
    case 'joining':
      return (
        <Joining
          onCancel={() => {
            stop();
            setPhase({ at: 'prejoin' });
          }}
        />
      );
    case 'in':
      return (
        <RoomProvider room={phase.room}>
          <InCall
            deviceProblems={phase.deviceProblems}
            onOver={(code, message) => {
              stop();
              setPhase({ at: 'over', code, message });
            }}
          />
        </RoomProvider>
      );
    case 'over':
      return <Over room={roomName} code={phase.code} message={phase.message} onAgain={again} />;
  }
}
