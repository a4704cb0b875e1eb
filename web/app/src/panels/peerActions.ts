import type { LocalSnapshot, PeerSnapshot, Role, Room } from '@parlour/client';
import type { Translate } from '../i18n/index.ts';
import type { RoomUi } from '../room/ui.ts';
import type { MenuItem } from '../ui/Menu.tsx';

const ROLES: Role[] = ['host', 'speaker', 'guest', 'viewer'];

/** What one may do with another participant: write, send a file and, as a host, moderate. */
export function peerActions({ t, room, ui, you, peer }: { t: Translate; room: Room; ui: RoomUi; you: LocalSnapshot; peer: PeerSnapshot }): MenuItem[] {
  /** Does it, and says so if it was refused. */
  const run = (request: Promise<void>): void => {
    request.catch((error: unknown) => ui.toast({ icon: 'warning', tone: 'warn', text: error instanceof Error ? error.message : String(error) }));
  };
  const items: MenuItem[] = [
    {
      id: 'message',
      icon: 'chat',
      label: t('peer.message'),
      onSelect: () => {
        ui.setRecipient(peer.id);
        ui.openPanel('chat');
      },
    },
    {
      id: 'file',
      icon: 'files',
      label: t('peer.file'),
      onSelect: () => {
        ui.setRecipient(peer.id);
        ui.openPanel('files');
      },
    },
  ];
  if (!you.can.moderate) return items;
  items.push({ kind: 'line', id: 'line' });
  if (peer.mic) items.push({ id: 'mute', icon: 'micOff', label: t('peer.mute'), onSelect: () => run(room.askMute('mic', { peer: peer.id })) });
  if (peer.camera) items.push({ id: 'cam', icon: 'cameraOff', label: t('peer.cameraOff'), onSelect: () => run(room.askMute('camera', { peer: peer.id })) });
  if (peer.screen) items.push({ id: 'screen', icon: 'screenOff', label: t('peer.screenOff'), onSelect: () => run(room.askMute('screen', { peer: peer.id })) });
  if (peer.hand !== null) items.push({ id: 'hand', icon: 'hand', label: t('peer.lowerHand'), onSelect: () => run(room.hand(false, { peer: peer.id })) });
  items.push({ kind: 'heading', id: 'role', label: t('role') });
  for (const role of ROLES) {
    items.push({ kind: 'choice', id: role, label: t(`role.${role}` as const), checked: peer.role === role, onSelect: () => run(room.role(peer.id, role)) });
  }
  items.push({ kind: 'line', id: 'line2' });
  items.push({ id: 'kick', icon: 'close', danger: true, label: t('peer.kick'), onSelect: () => run(room.kick(peer.id)) });
  return items;
}
