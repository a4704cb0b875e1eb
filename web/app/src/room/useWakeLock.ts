import { useEffect } from 'react';

/** Keeps the screen awake during the call: a phone that sleeps cuts calls and transfers. */
export function useWakeLock(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | null = null;
    let over = false;
    const request = (): void => {
      if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
      navigator.wakeLock.request('screen').then(
        (granted) => {
          if (over) void granted.release();
          else lock = granted;
        },
        () => undefined,
      );
    };
    request();
    // The browser takes the lock back whenever the page is hidden.
    document.addEventListener('visibilitychange', request);
    return () => {
      over = true;
      document.removeEventListener('visibilitychange', request);
      void lock?.release().catch(() => undefined);
    };
  }, []);
}
