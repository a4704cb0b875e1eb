import { useCallback, useEffect, useRef, useState } from 'react';
import { codeOf, type DeviceKind, openDevice } from './media.ts';
import { usePrefs } from './prefs.ts';

/** A device on trial before the call. */
export interface Preview {
  track: MediaStreamTrack | null;
  /** The code of what went wrong, or `null`. */
  problem: string | null;
  busy: boolean;
  /** Tries again after a problem. */
  retry: () => void;
  /** Hands the track over: the preview stops it no more. */
  take: () => MediaStreamTrack | null;
}

/** Opens a device while `wanted`, and closes it at the end, unless it was taken. Follows the chosen device. */
export function usePreview(kind: DeviceKind, wanted: boolean): Preview {
  const prefs = usePrefs();
  const [attempt, setAttempt] = useState(0);
  const [state, setState] = useState<{ track: MediaStreamTrack | null; problem: string | null; busy: boolean }>({
    track: null,
    problem: null,
    busy: wanted,
  });
  const current = useRef<MediaStreamTrack | null>(null);
  const settings =
    kind === 'mic'
      ? [prefs.micId, prefs.noiseSuppression, prefs.echoCancellation, prefs.autoGain].join()
      : prefs.cameraId;

  useEffect(() => {
    if (!wanted) {
      setState({ track: null, problem: null, busy: false });
      return;
    }
    let stale = false;
    setState((before) => ({ ...before, problem: null, busy: true }));
    openDevice(kind).then(
      (track) => {
        if (stale) return track.stop();
        current.current = track;
        track.addEventListener('ended', () => {
          if (current.current === track) setState({ track: null, problem: 'no_device', busy: false });
        });
        setState({ track, problem: null, busy: false });
      },
      (error: unknown) => {
        if (!stale) setState({ track: null, problem: codeOf(error), busy: false });
      },
    );
    return () => {
      stale = true;
      current.current?.stop();
      current.current = null;
    };
  }, [kind, wanted, settings, attempt]);

  const retry = useCallback(() => setAttempt((count) => count + 1), []);
  const take = useCallback(() => {
    const track = current.current;
    current.current = null;
    return track;
  }, []);
  return { ...state, retry, take };
}
