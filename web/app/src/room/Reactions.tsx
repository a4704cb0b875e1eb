import { useRoom, useRoomEvent } from '@parlour/react';
import { useEffect, useState } from 'react';
import { useT } from '../i18n/index.ts';
import styles from './Reactions.module.css';

const SHOWN_MS = 4_000;
const MOST = 12;

interface Shown {
  id: number;
  emoji: string;
  name: string;
  lane: number;
}

let last = 0;

/** Reactions rise over the stage for a moment, with the name of who sent them. */
export function Reactions() {
  const t = useT();
  const room = useRoom();
  const [shown, setShown] = useState<Shown[]>([]);

  useRoomEvent('reaction', ({ from, emoji }) => {
    last += 1;
    const { you, peers } = room.getSnapshot();
    const name = from === you.id ? t('you') : (peers.find((peer) => peer.id === from)?.name ?? '');
    const entry: Shown = { id: last, emoji, name, lane: last % 5 };
    setShown((list) => [...list, entry].slice(-MOST));
  });

  useEffect(() => {
    if (shown.length === 0) return;
    const oldest = shown[0]?.id;
    const timer = setTimeout(() => setShown((list) => list.filter((entry) => entry.id !== oldest)), SHOWN_MS / Math.max(1, shown.length / 2));
    return () => clearTimeout(timer);
  }, [shown]);

  return (
    <div className={styles['air']} role="log" aria-live="polite" aria-label={t('reactions')}>
      {shown.map((entry) => (
        <span key={entry.id} className={styles['reaction']} data-lane={entry.lane}>
          <span className={styles['emoji']}>{entry.emoji}</span>
          <span className={styles['name']}>{entry.name}</span>
        </span>
      ))}
    </div>
  );
}
