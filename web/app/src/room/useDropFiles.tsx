import { useRoom } from '@parlour/react';
import { type DragEvent, type ReactNode, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { sendFiles } from '../panels/sendFiles.ts';
import { Icon } from '../ui/Icon.tsx';
import styles from './useDropFiles.module.css';
import type { RoomUi } from './ui.ts';

const hasFiles = (event: DragEvent): boolean => [...event.dataTransfer.types].includes('Files');

/** Files dropped anywhere on the call are offered to the others. */
export function useDropFiles(ui: RoomUi): { handlers: Record<string, (event: DragEvent) => void>; overlay: ReactNode } {
  const t = useT();
  const room = useRoom();
  const [over, setOver] = useState(false);
  const handlers = {
    onDragOver: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = 'copy';
      setOver(true);
    },
    onDragLeave: (event: DragEvent) => {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
    },
    onDrop: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      const sent = sendFiles(room, [...event.dataTransfer.files], ui.recipient);
      if (sent === 0) ui.toast({ icon: 'files', text: t('files.nobody') });
      else ui.openPanel('files');
    },
  };
  const overlay = over && (
    <div className={styles['overlay']}>
      <Icon name="files" size={48} />
      {t('files.drop')}
    </div>
  );
  return { handlers, overlay };
}
