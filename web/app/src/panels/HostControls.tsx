import { useRoom, useSnapshot } from '@parlour/react';
import { type FormEvent, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { useRoomUi } from '../room/ui.ts';
import { Button } from '../ui/Button.tsx';
import { Field } from '../ui/Field.tsx';
import { Switch } from '../ui/Switch.tsx';
import styles from './HostControls.module.css';

/** The room's settings, for its hosts. */
export function HostControls() {
  const t = useT();
  const ui = useRoomUi();
  const room = useRoom();
  const info = useSnapshot((snapshot) => snapshot.room);
  const [password, setPassword] = useState('');
  const run = (request: Promise<void>): void => {
    request.catch((error: unknown) => ui.toast({ icon: 'warning', tone: 'warn', text: error instanceof Error ? error.message : String(error) }));
  };
  const savePassword = (event: FormEvent): void => {
    event.preventDefault();
    run(room.settings({ password }));
    ui.toast({ icon: 'lock', text: t(password ? 'host.passwordSet' : 'host.passwordGone') });
    setPassword('');
  };
  return (
    <section className={styles['host']} aria-label={t('host')}>
      <h3>{t('host')}</h3>
      <Switch label={t('host.lock')} hint={t('host.lockHint')} checked={info.locked} onChange={(on) => run(room.lock(on))} />
      <Switch label={t('host.waitingRoom')} hint={t('host.waitingRoomHint')} checked={info.waiting_room} onChange={(on) => run(room.settings({ waiting_room: on }))} />
      <Switch label={t('host.history')} hint={t('host.historyHint')} checked={info.chat_history} onChange={(on) => run(room.settings({ chat_history: on }))} />
      <form className={styles['password']} onSubmit={savePassword}>
        <Field
          label={t('host.password')}
          type="password"
          autoComplete="new-password"
          value={password}
          hint={t(info.password ? 'host.passwordOn' : 'host.passwordOff')}
          onChange={(event) => setPassword(event.target.value)}
        />
        <Button type="submit" disabled={!password && !info.password}>
          {t(!password && info.password ? 'host.passwordRemove' : 'host.passwordSave')}
        </Button>
      </form>
      <div className={styles['actions']}>
        <Button icon="micOff" wide onClick={() => run(room.askMute('mic'))}>
          {t('host.muteAll')}
        </Button>
        <Button icon="leave" variant="danger" wide onClick={() => ui.openDialog('end')}>
          {t('host.end')}
        </Button>
      </div>
    </section>
  );
}
