import { useEffect, useRef, type ComponentPropsWithoutRef, type CSSProperties, type ReactNode, type Ref } from 'react';
import { useRoom } from './context.tsx';
import { useSnapshot } from './hooks.ts';

export type VideoProps = Omit<ComponentPropsWithoutRef<'video'>, 'src'> & {
  stream: MediaStream | undefined | null;
  /** Shows it as in a mirror, as people are used to see themselves. */
  mirror?: boolean;
  ref?: Ref<HTMLVideoElement>;
};

/** A `<video>` that shows a stream; never remounts for another stream. Muted, `playsInline` and autoplaying by default. */
export function Video({ stream, mirror = false, style, ref, ...rest }: VideoProps): ReactNode {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => attach(element.current, stream ?? null), [stream]);
  const mirrored: CSSProperties | undefined = mirror ? { ...style, transform: 'scaleX(-1)' } : style;
  const setRef = (video: HTMLVideoElement | null) => {
    element.current = video;
    if (typeof ref === 'function') ref(video);
    else if (ref) ref.current = video;
  };
  return <video autoPlay playsInline muted {...rest} ref={setRef} {...(mirrored && { style: mirrored })} />;
}

/** Plays the sound of everybody in the room. Put it once. `sink` is a speaker's id. */
export function RoomAudio({ sink, volume = 1 }: { sink?: string; volume?: number }): ReactNode {
  const peers = useSnapshot((snapshot) => snapshot.peers);
  return peers.flatMap(({ id, streams }) => [
    streams.mic && <Sound key={id} stream={streams.mic} sink={sink} volume={volume} />,
    streams.screen_audio && <Sound key={`${id} screen`} stream={streams.screen_audio} sink={sink} volume={volume} />,
  ]);
}

type SinkElement = HTMLMediaElement & { setSinkId?: (id: string) => Promise<void> };

function Sound({ stream, sink, volume }: { stream: MediaStream; sink: string | undefined; volume: number }): ReactNode {
  const room = useRoom();
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = element.current;
    if (!audio) return;
    const detach = attach(audio, stream);
    let undo: (() => void) | undefined;
    let on = true;
    audio.play().catch((error: unknown) => {
      // The browser wants a click first: the room offers one for all at once.
      if (on && error instanceof Error && error.name === 'NotAllowedError') undo = room.reportBlocked(() => audio.play());
    });
    return () => {
      on = false;
      undo?.();
      detach?.();
    };
  }, [room, stream]);
  useEffect(() => {
    if (element.current) element.current.volume = volume;
  }, [volume]);
  useEffect(() => {
    const audio: SinkElement | null = element.current;
    // A speaker that is gone leaves the system's default in use.
    if (sink !== undefined) audio?.setSinkId?.(sink).catch(() => {});
  }, [sink]);
  return <audio ref={element} />;
}

/** Shows or plays a stream in an element; gives back what takes it out again. */
function attach(element: HTMLMediaElement | null, stream: MediaStream | null): (() => void) | undefined {
  if (!element) return;
  element.srcObject = stream;
  return () => {
    element.srcObject = null;
  };
}
