import { useRoom } from '@parlour/react';
import { lazy, Suspense } from 'react';
import { useT } from '../i18n/index.ts';
import { secureUrl, useServerInfo } from '../lib/serverInfo.ts';
import { useCopy } from '../lib/useCopy.ts';
import { Button } from '../ui/Button.tsx';
import { Dialog } from '../ui/Dialog.tsx';
import { inviteLinks } from '../lib/inviteLinks.ts';
import styles from './Invite.module.css';

const QrCode = lazy(() => import('../ui/QrCode.tsx'));

/** How to bring others in: by link, share sheet or a picture to scan. */
export default function Invite({ onClose }: { onClose: () => void }) {
  const t = useT();
  const room = useRoom();
  const info = useServerInfo();
  const [copied, copy] = useCopy();
  const { link, local } = inviteLinks(new URL(room.link), info, secureUrl(info));
  return (
    <Dialog title={t('invite')} onClose={onClose}>
      <div className={styles['invite']}>
        <p>{t('invite.text')}</p>
        <p className={styles['link']}>{link}</p>
        <div className={styles['actions']}>
          <Button variant="primary" icon={copied ? 'check' : 'copy'} onClick={() => copy(link)}>
            {copied ? t('copied') : t('invite.copy')}
          </Button>
          {typeof navigator.share === 'function' && (
            <Button icon="share" onClick={() => void navigator.share({ title: 'Parlour', url: link }).catch(() => undefined)}>
              {t('invite.share')}
            </Button>
          )}
        </div>
        <Suspense fallback={<div className={styles['qrSpace']} />}>
          <QrCode text={link} label={t('qr.label', { link })} />
        </Suspense>
        <p className={styles['hint']}>{t('invite.scan')}</p>
        {local && <p className={styles['hint']}>{t('invite.local')}</p>}
        <span className="visually-hidden" role="status">
          {copied ? t('copied') : ''}
        </span>
      </div>
    </Dialog>
  );
}
