import { captureSupport } from '@parlour/client';
import { lazy, Suspense, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { secureUrl, useServerInfo } from '../lib/serverInfo.ts';
import { Button } from '../ui/Button.tsx';
import { Dialog } from '../ui/Dialog.tsx';
import { Notice } from '../ui/Notice.tsx';

const QrCode = lazy(() => import('../ui/QrCode.tsx'));

/** On a page without HTTPS: says what does not work, and leads to the secure address. Nothing elsewhere. */
export function SecureHint() {
  const t = useT();
  const info = useServerInfo();
  const [showQr, setShowQr] = useState(false);
  if (captureSupport() !== 'insecure_origin') return null;
  const url = secureUrl(info);
  return (
    <Notice icon="lock" title={t('help.insecure.title')} tone="warn">
      <p>{t('help.insecure.text')}</p>
      {url && (
        <>
          <Button variant="primary" onClick={() => location.assign(url)}>
            {t('secure.open')}
          </Button>
          <Button variant="quiet" onClick={() => setShowQr(true)}>
            {t('qr.show')}
          </Button>
          {showQr && (
            <Dialog title={t('secure.open')} onClose={() => setShowQr(false)}>
              <Suspense>
                <QrCode text={url} label={t('qr.label', { link: url })} />
              </Suspense>
              <p>
                <a href={url}>{url}</a>
              </p>
            </Dialog>
          )}
        </>
      )}
    </Notice>
  );
}
