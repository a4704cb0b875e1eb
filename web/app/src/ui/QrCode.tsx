import { useMemo } from 'react';
import { encodeQr } from '../lib/qr.ts';
import styles from './QrCode.module.css';

const QUIET = 4;

/** A QR code. Always dark on light, because scanners want it so. */
export default function QrCode({ text, label }: { text: string; label: string }) {
  const { size, path } = useMemo(() => {
    const modules = encodeQr(text);
    const squares = modules.flatMap((row, y) => row.map((on, x) => (on ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : '')));
    return { size: modules.length + 2 * QUIET, path: squares.join('') };
  }, [text]);
  return (
    <svg className={styles['code']} viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges">
      <path d={path} />
    </svg>
  );
}
