import type { PeerSnapshot } from '@parlour/client';
import { useLocal, useRoom } from '@parlour/react';
import type { RefObject } from 'react';
import { useT } from '../i18n/index.ts';
import { setPrefs, usePrefs } from '../lib/prefs.ts';
import { Icon } from '../ui/Icon.tsx';
import { Menu, type MenuItem } from '../ui/Menu.tsx';
import { peerActions } from '../panels/peerActions.ts';
import styles from './TileMenu.module.css';
import type { PlacedTile } from './tiles.ts';
import { useRoomUi } from './ui.ts';

/** What can be done with a picture and, for hosts, with the person in it. */
export function TileMenu({ tile, peer, frame }: { tile: PlacedTile; peer: PeerSnapshot | undefined; frame: RefObject<HTMLElement | null> }) {
  const t = useT();
  const ui = useRoomUi();
  const room = useRoom();
  const you = useLocal();
  const prefs = usePrefs();
  const pinned = ui.pinned === tile.key;
  const name = tile.self ? t('you') : (peer?.name ?? '');

  const items = (): MenuItem[] => [
    {
      id: 'pin',
      icon: pinned ? 'unpin' : 'pin',
      label: pinned ? t('tile.unpin') : t('tile.pin'),
      onSelect: () => ui.setPinned(pinned ? null : tile.key),
    },
    ...(document.fullscreenEnabled
      ? [
          {
            id: 'full',
            icon: 'expand' as const,
            label: t('tile.fullscreen'),
            onSelect: () => void frame.current?.requestFullscreen().catch(() => undefined),
          },
        ]
      : []),
    ...(tile.self && tile.source === 'camera'
      ? [{ kind: 'choice' as const, id: 'mirror', label: t('settings.mirror'), checked: prefs.mirror, onSelect: () => setPrefs({ mirror: !prefs.mirror }) }]
      : []),
    ...(tile.self && tile.source === 'screen'
      ? [{ id: 'stop', icon: 'screenOff' as const, label: t('screen.stop'), onSelect: () => room.stopScreen() }]
      : []),
    ...(peer && tile.source === 'camera' ? peerActions({ t, room, ui, you, peer }) : []),
  ];

  return (
    <div className={styles['corner']}>
      <Menu label={t('tile.menu', { name })} className={styles['button']} items={items}>
        <Icon name="more" size={20} />
      </Menu>
    </div>
  );
}
