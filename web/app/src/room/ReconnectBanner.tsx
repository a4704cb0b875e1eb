import { useConnection, useRoom } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { bannerFor } from '../lib/reconnect.ts';
import { useNow } from '../lib/useNow.ts';
import { Button } from '../ui/Button.tsx';
import { Icon } from '../ui/Icon.tsx';
import { Spinner } from '../ui/Spinner.tsx';
import styles from './ReconnectBanner.module.css';

/** Says that the server cannot be reached, once that has lasted, and when it is tried again. */
export function ReconnectBanner() {
  const t = useT();
  const room = useRoom();
  const connection = useConnection();
  const now = useNow(connection.state !== 'connected');
  const banner = bannerFor(connection, now);
  return (
    <div role="status">
      {banner.kind === 'reconnecting' && (
        <div className={styles['banner']}>
          <Spinner size={18} />
          {t('reconnecting')}
        </div>
      )}
      {banner.kind === 'offline' && (
        <div className={styles['banner']}>
          <Icon name="wifiOff" size={20} />
          {/* The seconds are for the eye: read aloud each second they would only disturb. */}
          <span className="visually-hidden">{t('offline')}</span>
          <span aria-hidden="true">{banner.retryIn === null ? t('offline') : t('offline.retryIn', { n: banner.retryIn })}</span>
          <Button variant="quiet" onClick={() => room.reconnect()}>
            {t('offline.retry')}
          </Button>
        </div>
      )}
    </div>
  );
}
