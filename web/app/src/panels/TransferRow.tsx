import type { TransferSnapshot } from '@parlour/client';
import { type Translate, useT } from '../i18n/index.ts';
import { formatBytes, formatDuration } from '../lib/format.ts';
import { Button } from '../ui/Button.tsx';
import { Icon } from '../ui/Icon.tsx';
import { IconButton } from '../ui/IconButton.tsx';
import styles from './TransferRow.module.css';

/** What can be done with a transfer. */
export interface TransferActions {
  accept(): void;
  decline(): void;
  pause(): void;
  resume(): void;
  cancel(): void;
  save(): void;
}

const FAILURES = ['file_declined', 'file_cancelled', 'file_unreadable', 'file_corrupt', 'file_unwritable', 'peer_gone'] as const;

/** Where a transfer stands, in words. */
export function transferText(t: Translate, transfer: TransferSnapshot): string {
  const { state, bytes, size, rate, remaining } = transfer;
  const size_ = formatBytes(size, t.language);
  switch (state) {
    case 'offered':
      return transfer.direction === 'send' ? t('files.waiting', { size: size_ }) : size_;
    case 'active': {
      const done = t('files.of', { done: formatBytes(bytes, t.language), size: size_ });
      const speed = rate > 0 ? t('files.rate', { rate: formatBytes(rate, t.language) }) : null;
      const left = remaining !== null ? t('files.left', { time: formatDuration(remaining) }) : null;
      return [done, speed, left].filter(Boolean).join(' · ');
    }
    case 'paused':
      return t(transfer.pausedBy === 'them' ? 'files.pausedByThem' : 'files.paused');
    case 'interrupted':
      return t('files.interrupted');
    case 'checking':
      return t('files.checking');
    case 'done':
      return `${size_} · ${t(transfer.direction === 'send' ? 'files.sent' : 'files.received')}`;
    case 'failed': {
      const code = FAILURES.find((known) => known === transfer.error?.code);
      return code ? t(`files.failed.${code}` as const) : (transfer.error?.message ?? t('files.failed'));
    }
  }
}

/** One file on its way. */
export function TransferRow({ transfer, actions }: { transfer: TransferSnapshot; actions: TransferActions }) {
  const t = useT();
  const { state, direction, name, peerName } = transfer;
  const running = state === 'active' || state === 'paused' || state === 'interrupted' || state === 'checking';
  const percent = transfer.size === 0 ? 100 : Math.floor((transfer.bytes / transfer.size) * 100);
  return (
    <li className={styles['row']} data-state={state}>
      <div className={styles['head']}>
        <span className={styles['icon']}>
          <Icon name={state === 'done' ? 'check' : state === 'failed' ? 'warning' : direction === 'send' ? 'up' : 'download'} size={20} />
        </span>
        <div className={styles['text']}>
          <strong>{name}</strong>
          <small>{t(direction === 'send' ? 'files.toName' : 'files.fromName', { name: peerName })}</small>
        </div>
        {running && state !== 'checking' && (
          <>
            {transfer.pausedBy === 'you' ? (
              <IconButton icon="play" size={20} label={t('files.resume', { name })} onClick={actions.resume} />
            ) : (
              <IconButton icon="pause" size={20} label={t('files.pause', { name })} onClick={actions.pause} />
            )}
          </>
        )}
        {(running || (state === 'offered' && direction === 'send')) && (
          <IconButton icon="close" size={20} label={t('files.cancel', { name })} onClick={actions.cancel} />
        )}
      </div>
      {running && (
        <progress className={styles['progress']} max={100} value={percent} aria-label={t('files.progress', { name })}>
          {percent} %
        </progress>
      )}
      <p className={styles['state']}>{transferText(t, transfer)}</p>
      {state === 'offered' && direction === 'receive' && (
        <div className={styles['actions']}>
          <Button onClick={actions.decline} aria-label={t('files.declineName', { name })}>
            {t('files.decline')}
          </Button>
          <Button variant="primary" onClick={actions.accept} aria-label={t('files.acceptName', { name })}>
            {t('files.accept')}
          </Button>
        </div>
      )}
      {state === 'done' && direction === 'receive' && (
        <div className={styles['actions']}>
          <Button variant="primary" icon="download" onClick={actions.save} aria-label={t('files.saveName', { name })}>
            {t('files.save')}
          </Button>
        </div>
      )}
    </li>
  );
}
