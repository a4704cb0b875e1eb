import { join, type JoinOptions, type ParlourError, type Room } from '@parlour/client';
import { createContext, useContext, useEffect, useRef, useState, type ReactNode } from 'react';

const RoomContext = createContext<Room | null>(null);

export type RoomProviderProps = ({ url: string; options?: JoinOptions } | { room: Room }) & {
  /** Shown while joining. */
  fallback?: ReactNode;
  /** Shown when joining failed. */
  failed?: (error: ParlourError, retry: () => void) => ReactNode;
  children: ReactNode;
};

/** Joins when mounted, leaves when unmounted (or give it a `room` that is joined already: then it only provides it). */
export function RoomProvider(props: RoomProviderProps): ReactNode {
  if ('room' in props) return <RoomContext value={props.room}>{props.children}</RoomContext>;
  return <Joining {...props} />;
}

type Attempt = { room: Room } | { error: ParlourError } | null;

function Joining({ url, options, fallback, failed, children }: Extract<RoomProviderProps, { url: string }>): ReactNode {
  const [attempt, setAttempt] = useState<Attempt>(null);
  const [tries, setTries] = useState(0);
  const newest = useRef(options);
  newest.current = options;

  useEffect(() => {
    const gone = new AbortController();
    setAttempt(null);
    // Under StrictMode an effect is undone at once and done again: joining a tick later makes that one join, not two.
    const timer = setTimeout(() => {
      const given = newest.current;
      const signal = given?.signal ? AbortSignal.any([gone.signal, given.signal]) : gone.signal;
      join(url, { ...given, signal }).then(
        (room) => !gone.signal.aborted && setAttempt({ room }),
        (error: ParlourError) => !gone.signal.aborted && setAttempt({ error }),
      );
    });
    return () => {
      clearTimeout(timer);
      gone.abort();
    };
  }, [url, tries]);

  if (!attempt) return fallback;
  if ('error' in attempt) return failed?.(attempt.error, () => setTries(tries + 1));
  return <RoomContext value={attempt.room}>{children}</RoomContext>;
}

/** The call. Throws outside of a {@link RoomProvider}. */
export function useRoom(): Room {
  const room = useContext(RoomContext);
  if (!room) throw new Error('There is no call here: put a <RoomProvider> around this component.');
  return room;
}
