import { useRoom } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { useCopy } from '../lib/useCopy.ts';
import { Button } from '../ui/Button.tsx';
import styles from './Alone.module.css';
import { useRoomUi } from './ui.ts';

/** Nobody else is here yet: how to bring them in. */
export function Alone() {
  const t = useT();
  const room = useRoom();
  const ui = useRoomUi();
  const [copied, copy] = useCopy();
  return (
    <section className={styles['card']} aria-label={t('invite')}>
      <h2>{t('alone.title')}</h2>
      <p>{t('alone.text')}</p>
      <p className={styles['link']}>{room.link}</p>
      <div className={styles['actions']}>
        <Button variant="primary" icon={copied ? 'check' : 'copy'} onClick={() => copy(room.link)}>
          {copied ? t('copied') : t('invite.copy')}
        </Button>
        <Button icon="share" onClick={() => ui.openDialog('invite')}>
          {t('invite.more')}
        </Button>
      </div>
    </section>
  );
}
