import { useFileTransfers, useParticipants, useRoom } from '@parlour/react';
import { type ChangeEvent, useRef } from 'react';
import { useT } from '../i18n/index.ts';
import { useRoomUi } from '../room/ui.ts';
import { Button } from '../ui/Button.tsx';
import { Icon } from '../ui/Icon.tsx';
import { Select } from '../ui/Select.tsx';
import styles from './Files.module.css';
import { sendFiles } from './sendFiles.ts';
import { TransferRow } from './TransferRow.tsx';

/** Files on their way, and those that are there. */
export default function Files() {
  const t = useT();
  const ui = useRoomUi();
  const room = useRoom();
  const peers = useParticipants();
  const { transfers, get } = useFileTransfers();
  const input = useRef<HTMLInputElement>(null);
  const to = peers.some((peer) => peer.id === ui.recipient) ? ui.recipient : null;

  const choose = (event: ChangeEvent<HTMLInputElement>): void => {
    sendFiles(room, [...(event.target.files ?? [])], to);
    event.target.value = '';
  };

  return (
    <div className={styles['body']}>
      <div className={styles['send']}>
        {peers.length > 1 && (
          <Select
            label={t('files.to')}
            value={to ?? ''}
            options={[{ value: '', label: t('chat.toAll') }, ...peers.map((peer) => ({ value: peer.id, label: t('chat.toOne', { name: peer.name }) }))]}
            onChange={(value) => ui.setRecipient(value || null)}
          />
        )}
        <input ref={input} type="file" multiple hidden aria-label={t('files.choose')} tabIndex={-1} onChange={choose} />
        <Button variant="primary" icon="plus" wide disabled={peers.length === 0} onClick={() => input.current?.click()}>
          {t('files.choose')}
        </Button>
        <p>{peers.length === 0 ? t('files.nobody') : t('files.hint')}</p>
      </div>
      {transfers.length === 0 ? (
        <div className={styles['empty']}>
          <Icon name="files" size={40} />
          <p>{t('files.empty')}</p>
        </div>
      ) : (
        <ul className={styles['list']} aria-label={t('files')}>
          {[...transfers].reverse().map((transfer) => (
            <TransferRow
              key={transfer.id}
              transfer={transfer}
              actions={{
                accept: () => void room.incoming(transfer.id)?.accept().done.catch(() => undefined),
                decline: () => room.incoming(transfer.id)?.decline(),
                pause: () => get(transfer.id)?.pause(),
                resume: () => get(transfer.id)?.resume(),
                cancel: () => get(transfer.id)?.cancel(),
                save: () => void get(transfer.id)?.save().catch(() => undefined),
              }}
            />
          ))}
        </ul>
      )}
    </div>
  );
}
