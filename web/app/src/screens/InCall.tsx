import { useRoom, useSnapshot } from '@parlour/react';
import { useEffect } from 'react';
import { RoomScreen } from '../room/RoomScreen.tsx';
import type { DeviceProblem } from './Call.tsx';
import { Waiting } from './Waiting.tsx';

/** Let in by the server: in the waiting room, in the room, or just over. */
export function InCall({ deviceProblems, onOver }: { deviceProblems: DeviceProblem[]; onOver: (code: string, message: string) => void }) {
  const room = useRoom();
  const status = useSnapshot((snapshot) => snapshot.status);
  const ended = useSnapshot((snapshot) => snapshot.ended);

  useEffect(() => {
    if (ended) onOver(ended.code, ended.message);
  }, [ended, onOver]);

  useEffect(() => {
    const warn = (event: BeforeUnloadEvent): void => {
      // A transfer dies with the page; a call can be joined again.
      if (room.getSnapshot().files.some((file) => file.state === 'active' || file.state === 'interrupted')) event.preventDefault();
    };
    addEventListener('beforeunload', warn);
    return () => removeEventListener('beforeunload', warn);
  }, [room]);

  if (status === 'waiting') return <Waiting />;
  return <RoomScreen deviceProblems={deviceProblems} />;
}
