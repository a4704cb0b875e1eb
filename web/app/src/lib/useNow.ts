import { useEffect, useState } from 'react';

/** The time as `Date.now()`, renewed every `interval` milliseconds while `running`. */
export function useNow(running: boolean, interval = 500): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), interval);
    return () => clearInterval(timer);
  }, [running, interval]);
  return now;
}
