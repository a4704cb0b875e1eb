import {
  levelMeter, watchDevices, type ChatMessage, type Connection, type DeviceInfo, type LocalSnapshot, type Peer, type PeerSnapshot, type PeerStats, type Room, type RoomEvents,
  type RoomSnapshot, type Source, type Transfer, type TransferSnapshot,
} from '@parlour/client';
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { useRoom } from './context.tsx';

/** A part of the snapshot; renders again only when `select` gives something else (`Object.is`). */
export function useSnapshot<T>(select: (snapshot: RoomSnapshot) => T): T {
  const room = useRoom();
  const get = () => select(room.getSnapshot());
  const subscribe = useCallback((listener: () => void) => room.subscribe(listener), [room]);
  return useSyncExternalStore(subscribe, get, get);
}

/** The connection to the server. */
export function useConnection(): Connection {
  return useSnapshot((snapshot) => snapshot.connection);
}

/** The others, in the order in which they came. */
export function useParticipants(filter?: (peer: PeerSnapshot) => boolean): readonly PeerSnapshot[] {
  const peers = useSnapshot((snapshot) => snapshot.peers);
  const last = useRef<readonly PeerSnapshot[]>([]);
  const chosen = filter ? peers.filter(filter) : peers;
  const same = chosen.length === last.current.length && chosen.every((peer, index) => peer === last.current[index]);
  if (!same) last.current = chosen;
  return last.current;
}

/** One of the others. */
export function useParticipant(id: string): PeerSnapshot | undefined {
  return useSnapshot((snapshot) => snapshot.peers.find((peer) => peer.id === id));
}

/** The object to act on one of the others. */
export function usePeer(id: string): Peer | undefined {
  const room = useRoom();
  useSnapshot((snapshot) => snapshot.peers.some((peer) => peer.id === id));
  return room.peers.get(id);
}

/** This participant. */
export function useLocal(): LocalSnapshot {
  return useSnapshot((snapshot) => snapshot.you);
}

/** The stream of a source of a participant (or of oneself), while it is on. */
export function useTrack(peer: string, source: Source): MediaStream | undefined {
  return useSnapshot(({ you, peers }) => (you.id === peer ? you : peers.find(({ id }) => id === peer))?.streams[source]);
}

/** Who speaks, or spoke last. */
export function useActiveSpeaker(): string | null {
  return useSnapshot((snapshot) => snapshot.speaker);
}

/** The chat, and how to say something. */
export function useChat(): { messages: readonly ChatMessage[]; send: Room['send'] } {
  const room = useRoom();
  const messages = useSnapshot((snapshot) => snapshot.chat);
  const send = useCallback<Room['send']>((text, options) => room.send(text, options), [room]);
  return { messages, send };
}

/** Calls `listener` (always the newest one) for an event. */
export function useRoomEvent<K extends keyof RoomEvents>(name: K, listener: (event: RoomEvents[K]) => void): void {
  const room = useRoom();
  const newest = useNewest(listener);
  useEffect(() => room.on(name, (event) => newest.current(event)), [room, name, newest]);
}

/** All transfers of this call. */
export function useFileTransfers(): { transfers: readonly TransferSnapshot[]; get: (id: string) => Transfer | undefined } {
  const room = useRoom();
  const transfers = useSnapshot((snapshot) => snapshot.files);
  const get = useCallback((id: string) => room.transfer(id), [room]);
  return { transfers, get };
}

/** An open data channel to a participant, or `null` until it is. Opened anew when the connection was made anew. */
export function useDataChannel(peer: string, label: string, options?: RTCDataChannelInit): RTCDataChannel | null {
  const target = usePeer(peer);
  const connected = useSnapshot((snapshot) => snapshot.peers.find(({ id }) => id === peer)?.connection === 'connected');
  const [channel, setChannel] = useState<RTCDataChannel | null>(null);
  const newest = useNewest(options);
  useEffect(() => {
    if (!target || !connected || channel) return;
    const gone = new AbortController();
    target.channel(label, { ...newest.current, signal: gone.signal }).then(
      (open) => {
        open.addEventListener('close', () => setChannel((now) => (now === open ? null : now)));
        setChannel(open);
      },
      () => {},
    );
    return () => gone.abort();
  }, [target, connected, label, channel, newest]);
  useEffect(() => () => channel?.close(), [channel]);
  return channel;
}

/** The devices of a kind, kept up to date. */
export function useDevices(kind: DeviceInfo['kind']): readonly DeviceInfo[] {
  const [devices, setDevices] = useState<readonly DeviceInfo[]>([]);
  useEffect(() => watchDevices((all) => setDevices(all.filter((device) => device.kind === kind))), [kind]);
  return devices;
}

/** The level of a participant, of oneself, or of a track, 0 to 1, about 15 times a second. */
export function useLevel(of: string | MediaStreamTrack | null): number {
  const room = useRoom();
  const [level, setLevel] = useState(0);
  useEffect(() => {
    setLevel(0);
    if (of === null) return;
    const meter = typeof of === 'string' ? { level: () => room.audioLevel(of), close: () => {} } : levelMeter(of);
    // Steps of a hundredth: a silent meter renders nothing.
    const timer = setInterval(() => setLevel(Math.round(meter.level() * 100) / 100), 66);
    return () => {
      clearInterval(timer);
      meter.close();
    };
  }, [room, of]);
  return level;
}

/** The figures of the connection to a participant, every `interval` milliseconds (default 1,000). */
export function useStats(peer: string, interval = 1_000): PeerStats | null {
  const target = usePeer(peer);
  const [stats, setStats] = useState<PeerStats | null>(null);
  useEffect(() => {
    let on = true;
    const look = () => target?.stats().then((now) => on && setStats(now), () => on && setStats(null));
    void look();
    const timer = setInterval(look, interval);
    return () => {
      on = false;
      clearInterval(timer);
    };
  }, [target, interval]);
  return stats;
}

/** What a key does: once when pressed, or for as long as it is held. */
export interface Shortcut {
  press?: () => void;
  hold?: (down: boolean) => void;
}

/** Keyboard shortcuts: keys as `KeyboardEvent.code`; ignored with modifiers and in text fields. `hold` gets true and false, false also on window blur. */
export function useShortcuts(shortcuts: Readonly<Record<string, Shortcut>>): void {
  const newest = useNewest(shortcuts);
  useEffect(() => {
    const held = new Set<string>();
    const down = (event: KeyboardEvent) => {
      const { code, repeat } = event;
      const shortcut = newest.current[code];
      if (!shortcut || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || takesText(event.target) || (code === 'Space' && takesSpace(event.target))) return;
      event.preventDefault();
      if (repeat) return;
      shortcut.press?.();
      if (!shortcut.hold) return;
      held.add(code);
      shortcut.hold(true);
    };
    const up = ({ code }: { code: string }) => held.delete(code) && newest.current[code]?.hold?.(false);
    const blur = () => [...held].forEach((code) => up({ code }));
    window.addEventListener('keydown', down);
    window.addEventListener('keyup', up);
    window.addEventListener('blur', blur);
    return () => {
      blur();
      window.removeEventListener('keydown', down);
      window.removeEventListener('keyup', up);
      window.removeEventListener('blur', blur);
    };
  }, [newest]);
}

function takesText(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));
}

/** On a focused button or link the space bar presses that. */
function takesSpace(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('button, a, summary, [role]') && target.matches(':focus-visible');
}

/** A reference to what was given last, so that effects need not run again for it. */
function useNewest<T>(value: T): { readonly current: T } {
  const newest = useRef(value);
  useEffect(() => {
    newest.current = value;
  });
  return newest;
}
