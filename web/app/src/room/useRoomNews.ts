import { useRoom, useRoomEvent, useSnapshot } from '@parlour/react';
import { useEffect, useRef } from 'react';
import type { Controls } from '../controls/useControls.ts';
import { useT } from '../i18n/index.ts';
import { joinProblems } from '../lib/media.ts';
import { helpFor } from '../lib/problems.ts';
import type { DeviceProblem } from '../screens/Call.tsx';
import type { RoomUi } from './ui.ts';

const PREVIEW_LENGTH = 90;

/** Turns what happens in the room into short messages, which are also read aloud. */
export function useRoomNews(ui: RoomUi, controls: Controls, deviceProblems: DeviceProblem[]): void {
  const t = useT();
  const room = useRoom();
  const { toast } = ui;
  const nameOf = (id: string): string => room.getSnapshot().peers.find((peer) => peer.id === id)?.name ?? t('somebody');

  // Those who were there already are no news.
  const known = useRef<Set<string> | null>(null);
  known.current ??= new Set(room.getSnapshot().peers.map((peer) => peer.id));
  useRoomEvent('peer', (peer) => {
    if (known.current?.has(peer.id)) return;
    known.current?.add(peer.id);
    toast({ icon: 'people', text: t('news.joined', { name: peer.name }) });
  });
  useRoomEvent('left', ({ peer, why }) => {
    known.current?.delete(peer.id);
    toast({ icon: 'people', text: t(why === 'kicked' ? 'news.kicked' : why === 'timeout' ? 'news.lost' : 'news.left', { name: peer.name }) });
  });
  useRoomEvent('knock', ({ name }) => {
    toast({ icon: 'door', text: t('news.knock', { name }), sticky: true, panel: 'people', action: { label: t('people.show'), run: () => ui.openPanel('people') } });
  });
  useRoomEvent('message', (message) => {
    if (message.from === room.you || ui.panel === 'chat') return;
    const text = message.text.length > PREVIEW_LENGTH ? `${message.text.slice(0, PREVIEW_LENGTH)}…` : message.text;
    toast({ icon: 'chat', panel: 'chat', text: t('news.message', { name: message.name, text }), action: { label: t('chat.show'), run: () => ui.openPanel('chat') } });
  });
  useRoomEvent('file', (file) => {
    if (ui.panel === 'files') return;
    toast({
      icon: 'files',
      panel: 'files',
      text: t('news.file', { name: file.from.name, file: file.name }),
      sticky: true,
      action: { label: t('files.show'), run: () => ui.openPanel('files') },
    });
  });
  useRoomEvent('ask_mute', ({ from, source }) => {
    const name = nameOf(from);
    if (source === 'mic' && room.getSnapshot().you.mic) {
      void controls.setMic(false);
      toast({ icon: 'micOff', text: t('news.muted', { name }), action: { label: t('mic.on'), run: () => void controls.setMic(true) } });
    } else if (source === 'camera' && room.getSnapshot().you.camera) {
      void controls.setCamera(false);
      toast({ icon: 'cameraOff', text: t('news.cameraOff', { name }), action: { label: t('camera.on'), run: () => void controls.setCamera(true) } });
    } else if (source === 'screen' && room.getSnapshot().you.screen) {
      room.stopScreen();
      toast({ icon: 'screenOff', text: t('news.screenOff', { name }) });
    }
  });
  useRoomEvent('error', (error) => {
    const help = helpFor(error.code);
    toast({ icon: 'warning', tone: 'warn', text: help.title.startsWith('help.other') ? error.message : t(help.title, { device: t('device.theDevice'), room: room.id }) });
  });

  // Hands are announced when they go up.
  const peers = useSnapshot((snapshot) => snapshot.peers);
  const hands = useRef(new Set<string>());
  useEffect(() => {
    for (const peer of peers) {
      if (peer.hand === null) hands.current.delete(peer.id);
      else if (!hands.current.has(peer.id)) {
        hands.current.add(peer.id);
        toast({ icon: 'hand', text: t('news.hand', { name: peer.name }) });
      }
    }
  }, [peers, t, toast]);

  // Somebody shares a screen.
  const screens = useRef(new Set<string>());
  useEffect(() => {
    for (const peer of peers) {
      if (!peer.screen) screens.current.delete(peer.id);
      else if (!screens.current.has(peer.id)) {
        screens.current.add(peer.id);
        toast({ icon: 'screen', text: t('news.screen', { name: peer.name }) });
      }
    }
  }, [peers, t, toast]);

  const mutedTalk = useSnapshot((snapshot) => snapshot.you.speakingWhileMuted);
  useEffect(() => {
    if (mutedTalk) toast({ icon: 'micOff', tone: 'warn', text: t('news.mutedTalk'), action: { label: t('mic.on'), run: () => void controls.setMic(true) } });
    // Only a new spell of talking is news, not new texts or controls.
  }, [mutedTalk]);

  const interrupted = useSnapshot((snapshot) => snapshot.you.interrupted);
  useEffect(() => {
    if (interrupted.mic) toast({ icon: 'micOff', tone: 'warn', text: t('news.micTaken'), sticky: true });
  }, [interrupted.mic, t, toast]);
  useEffect(() => {
    if (interrupted.camera) toast({ icon: 'cameraOff', tone: 'warn', text: t('news.cameraTaken') });
  }, [interrupted.camera, t, toast]);

  const mesh = useSnapshot((snapshot) => snapshot.mesh);
  useEffect(() => {
    if (mesh.exceeded) toast({ icon: 'info', tone: 'warn', text: t('room.meshFullLong', { n: mesh.max }), sticky: true });
  }, [mesh.exceeded, mesh.max, t, toast]);

  const blocked = useSnapshot((snapshot) => snapshot.audioBlocked);
  useEffect(() => {
    if (blocked) toast({ icon: 'volume', tone: 'warn', text: t('news.soundBlocked'), sticky: true, action: { label: t('sound.unlock'), run: () => void room.unlock() } });
  }, [blocked, room, t, toast]);

  useEffect(() => {
    const codeFor = (kind: DeviceProblem['kind']): string | null => deviceProblems.find((problem) => problem.kind === kind)?.code ?? null;
    for (const { kind, code } of joinProblems(codeFor('camera'), codeFor('mic'))) controls.reportProblem(kind, code);
    // Once, when the call begins.
  }, [deviceProblems]);
}
