/**
 * React hooks and unstyled components for Parlour. Put {@link RoomProvider} around what draws the call.
 *
 * @module
 */
import type {
  Connection, DeviceInfo, JoinOptions, LocalSnapshot, ParlourError, Peer, PeerSnapshot, PeerStats, Room, RoomSnapshot, Source, Transfer, TransferSnapshot, ChatMessage, RoomEvents,
} from '@parlour/client';
import type { ComponentPropsWithoutRef, ReactNode } from 'react';

/** Joins when mounted, leaves when unmounted (or give it a `room` that is joined already: then it only provides it). */
export declare function RoomProvider(
  props: ({ url: string; options?: JoinOptions } | { room: Room }) & {
    /** Shown while joining. */
    fallback?: ReactNode;
    /** Shown when joining failed. */
    failed?: (error: ParlourError, retry: () => void) => ReactNode;
    children: ReactNode;
  },
): ReactNode;

/** The call. Throws outside of a {@link RoomProvider}. */
export declare function useRoom(): Room;
/** A part of the snapshot; renders again only when `select` gives something else (`Object.is`). */
export declare function useSnapshot<T>(select: (snapshot: RoomSnapshot) => T): T;
/** The connection to the server. */
export declare function useConnection(): Connection;
/** The others, in the order in which they came. */
export declare function useParticipants(filter?: (peer: PeerSnapshot) => boolean): readonly PeerSnapshot[];
/** One of the others. */
export declare function useParticipant(id: string): PeerSnapshot | undefined;
/** The object to act on one of the others. */
export declare function usePeer(id: string): Peer | undefined;
/** This participant. */
export declare function useLocal(): LocalSnapshot;
/** The stream of a source of a participant (or of oneself), while it is on. */
export declare function useTrack(peer: string, source: Source): MediaStream | undefined;
/** Who speaks, or spoke last. */
export declare function useActiveSpeaker(): string | null;
/** The chat, and how to say something. */
export declare function useChat(): { messages: readonly ChatMessage[]; send: Room['send'] };
/** Calls `listener` (always the newest one) for an event. */
export declare function useRoomEvent<K extends keyof RoomEvents>(name: K, listener: (event: RoomEvents[K]) => void): void;
/** All transfers of this call. */
export declare function useFileTransfers(): { transfers: readonly TransferSnapshot[]; get: (id: string) => Transfer | undefined };
/** An open data channel to a participant, or `null` until it is. */
export declare function useDataChannel(peer: string, label: string, options?: RTCDataChannelInit): RTCDataChannel | null;
/** The devices of a kind, kept up to date. */
export declare function useDevices(kind: DeviceInfo['kind']): readonly DeviceInfo[];
/** The level of a participant, of oneself, or of a track, 0 to 1, about 15 times a second. */
export declare function useLevel(of: string | MediaStreamTrack | null): number;
/** The figures of the connection to a participant, every `interval` milliseconds (default 1,000). */
export declare function useStats(peer: string, interval?: number): PeerStats | null;
/** Keyboard shortcuts: keys as `KeyboardEvent.code`; ignored with modifiers and in text fields. `hold` gets true and false, also on window blur. */
export declare function useShortcuts(shortcuts: Record<string, { press?: () => void; hold?: (down: boolean) => void }>): void;

/** A `<video>` that shows a stream; never remounts for another stream. Muted, `playsInline` and autoplaying by default. */
export declare function Video(props: ComponentPropsWithoutRef<'video'> & { stream: MediaStream | undefined | null; mirror?: boolean }): ReactNode;
/** Plays the sound of everybody in the room. Put it once. `sink` is a speaker's id. */
export declare function RoomAudio(props: { sink?: string; volume?: number }): ReactNode;
