import type { PeerSnapshot, Quality } from '@parlour/client';
import { type Translate, useT } from '../i18n/index.ts';
import { cx } from '../ui/cx.ts';
import styles from './QualityMark.module.css';

const BARS = { good: 3, fair: 2, poor: 1, lost: 0 } as const;

/** How well a connection works, in a sentence. */
export function qualityText(t: Translate, quality: Quality): string {
  const level = t(`quality.${quality.level}` as const);
  return quality.reason === 'none' ? level : `${level}: ${t(`quality.reason.${quality.reason}` as const)}`;
}

/** Three bars, and in words what is wrong while something is. */
export function QualityMark({ peer }: { peer: PeerSnapshot }) {
  const t = useT();
  const { quality } = peer;
  if (peer.connection === 'none') return null;
  const words = qualityText(t, quality);
  const lit = BARS[quality.level];
  const worrying = quality.level === 'poor' || quality.level === 'lost';
  return (
    <span className={styles['mark']} title={words}>
      <span className={cx(styles['bars'], worrying && styles['bad'])} role="img" aria-label={words}>
        {[0, 1, 2].map((bar) => (
          <span key={bar} data-lit={bar < lit || undefined} />
        ))}
      </span>
      {worrying && (
        <span className={styles['words']} aria-hidden="true">
          {quality.reason === 'none' ? words : t(`quality.reason.${quality.reason}` as const)}
        </span>
      )}
    </span>
  );
}
