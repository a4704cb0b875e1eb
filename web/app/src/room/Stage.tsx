import { useLocal, useParticipants, useActiveSpeaker } from '@parlour/react';
import { useMemo, useRef } from 'react';
import { NARROW, useMedia } from '../lib/useMedia.ts';
import { useSize } from '../lib/useSize.ts';
import { Alone } from './Alone.tsx';
import styles from './Stage.module.css';
import { Tile } from './Tile.tsx';
import { listTiles, placeTiles } from './tiles.ts';
import { useRoomUi } from './ui.ts';

/** All pictures of the call. */
export function Stage() {
  const ui = useRoomUi();
  const you = useLocal();
  const peers = useParticipants();
  const speaker = useActiveSpeaker();
  const gap = useMedia(NARROW) ? 8 : 12;
  const ref = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(ref);

  const tiles = useMemo(() => listTiles(you, peers), [you, peers]);
  const placed = useMemo(
    () => placeTiles(tiles, { width, height, gap, layout: ui.layout, pinned: ui.pinned, speaker }),
    [tiles, width, height, gap, ui.layout, ui.pinned, speaker],
  );
  const ready = width > 0;

  return (
    <div ref={ref} className={styles['stage']} data-ready={ready || undefined}>
      {placed.map((tile) => (
        <Tile key={tile.key} tile={tile} you={you} peer={peers.find((peer) => peer.id === tile.peer)} ready={ready} />
      ))}
      {peers.length === 0 && <Alone />}
    </div>
  );
}
