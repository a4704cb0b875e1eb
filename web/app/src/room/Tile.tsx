import type { LocalSnapshot, PeerSnapshot } from '@parlour/client';
import { usePeer, Video } from '@parlour/react';
import { memo, useEffect, useRef, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { usePrefs } from '../lib/prefs.ts';
import { mediaIsCut } from '../lib/reconnect.ts';
import { useNow } from '../lib/useNow.ts';
import { Avatar } from '../ui/Avatar.tsx';
import { cx } from '../ui/cx.ts';
import { Icon } from '../ui/Icon.tsx';
import { QualityMark } from './QualityMark.tsx';
import styles from './Tile.module.css';
import { TileMenu } from './TileMenu.tsx';
import type { PlacedTile } from './tiles.ts';

/** Below this width the sender need not send a large picture. */
const SMALL_WIDTH = 320;

/** One picture with its name and state. */
export const Tile = memo(function Tile({ tile, you, peer, ready }: { tile: PlacedTile; you: LocalSnapshot; peer: PeerSnapshot | undefined; ready: boolean }) {
  const t = useT();
  const prefs = usePrefs();
  const frame = useRef<HTMLDivElement>(null);
  const { place, self, source } = tile;
  const shown = self ? you : peer;
  const streams = shown?.streams;
  const stream = source === 'screen' ? streams?.screen : streams?.camera;
  const on = source === 'screen' ? shown?.screen : shown?.camera;
  // Until the first picture is there, and when there is none, the name's initials stand in for it.
  const [playing, setPlaying] = useState(false);
  const visible = Boolean(on && stream && playing);
  const name = shown?.name ?? '';
  const now = useNow(peer?.connection === 'reconnecting');
  const cut = peer !== undefined && mediaIsCut(peer, now);
  const speaking = source === 'camera' && (shown?.speaking ?? false);
  useWanted(tile, place ? place.width : 0, ready);

  const label =
    source === 'screen'
      ? self
        ? t('tile.yourScreen')
        : t('tile.screenOf', { name })
      : self
        ? t('tile.you', { name })
        : name;
  const muted = source === 'camera' && shown !== undefined && !shown.mic;

  return (
    <div
      ref={frame}
      role="group"
      aria-label={label}
      className={cx(styles['tile'], styles[tile.role], speaking && styles['speaking'], cut && styles['cut'], !place && styles['away'])}
      data-peer={tile.peer}
      data-source={source}
      data-self={self || undefined}
      style={place ? { transform: `translate(${place.x}px, ${place.y}px)`, width: place.width, height: place.height } : undefined}
    >
      <Video
        stream={stream}
        mirror={self && source === 'camera' && prefs.mirror}
        className={cx(styles['video'], source === 'screen' && styles['whole'], !visible && styles['blank'])}
        onLoadedData={() => setPlaying(true)}
        onEmptied={() => setPlaying(false)}
      />
      {!visible && (
        <div className={styles['empty']}>
          {source === 'camera' ? <Avatar name={name} /> : <Icon name="screen" size={40} />}
        </div>
      )}
      {cut && (
        <p className={styles['notice']}>
          <Icon name="wifiOff" size={18} />
          {t('reconnecting')}
        </p>
      )}
      {source === 'camera' && shown?.hand != null && (
        <span className={styles['hand']} role="img" aria-label={t('hand.raised')}>
          ✋
        </span>
      )}
      <div className={styles['label']}>
        {muted && (
          <span className={styles['muted']} role="img" aria-label={t('tile.muted')}>
            <Icon name="micOff" size={15} />
          </span>
        )}
        <span className={styles['name']}>{self && tile.role === 'float' ? t('you') : label}</span>
        {peer && source === 'camera' && <QualityMark peer={peer} />}
      </div>
      <TileMenu tile={tile} peer={peer} frame={frame} />
    </div>
  );
});

/** Tells the sender how large its picture is shown here, once the stage is measured: not at all where there is no place for it. */
function useWanted(tile: PlacedTile, width: number, ready: boolean): void {
  const peer = usePeer(tile.peer);
  const wanted = width === 0 ? 'none' : width * devicePixelRatio < SMALL_WIDTH ? 'small' : 'full';
  useEffect(() => {
    if (tile.source === 'camera' && !tile.self && ready) peer?.want(wanted);
  }, [peer, tile.source, tile.self, wanted, ready]);
}
