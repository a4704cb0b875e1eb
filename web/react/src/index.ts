/**
 * React hooks and unstyled components for Parlour. Put {@link RoomProvider} around what draws the call.
 *
 * @module
 */
export { RoomProvider, useRoom, type RoomProviderProps } from './context.tsx';
export {
  useActiveSpeaker, useChat, useConnection, useDataChannel, useDevices, useFileTransfers, useLevel, useLocal, useParticipant, useParticipants, usePeer, useRoomEvent, useShortcuts,
  useSnapshot, useStats, useTrack, type Shortcut,
} from './hooks.ts';
export { RoomAudio, Video, type VideoProps } from './media.tsx';
