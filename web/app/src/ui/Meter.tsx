import { useEffect, useRef } from 'react';
import styles from './Meter.module.css';

const BARS = 12;

/** A sound level, drawn for each frame without rendering. `read` gives 0 to 1. */
export function Meter({ read, label }: { read: () => number; label: string }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let frame = 0;
    let shown = 0;
    const draw = (): void => {
      shown = Math.max(read(), shown * 0.9);
      const lit = Math.round(Math.min(1, Math.sqrt(shown) * 1.25) * BARS);
      const element = ref.current;
      if (element) {
        element.setAttribute('aria-valuenow', String(Math.round((lit / BARS) * 100)));
        for (let index = 0; index < element.children.length; index++) {
          element.children[index]?.toggleAttribute('data-lit', index < lit);
        }
      }
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [read]);
  return (
    <div ref={ref} className={styles['meter']} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={0}>
      {Array.from({ length: BARS }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}
