import { type FormEvent, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { helpFor, type Remedy } from '../lib/problems.ts';
import { navigate } from '../lib/router.ts';
import { Button } from '../ui/Button.tsx';
import { Field } from '../ui/Field.tsx';
import type { IconName } from '../ui/Icon.tsx';
import { Message } from './Message.tsx';

const ICONS: Record<string, IconName> = {
  left: 'door',
  ended: 'door',
  kicked: 'door',
  rejected: 'door',
  room_locked: 'lock',
  password_required: 'lock',
  bad_password: 'lock',
  token_required: 'lock',
  bad_token: 'lock',
  room_full: 'people',
  unreachable: 'wifiOff',
  timeout: 'wifiOff',
};

/** The call is over, or did not begin: why, and what to do next. */
export function Over({
  room,
  code,
  message,
  onAgain,
}: {
  room: string;
  code: string;
  message: string;
  onAgain: (password?: string) => void;
}) {
  const t = useT();
  const help = helpFor(code);
  const [password, setPassword] = useState('');

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onAgain(password);
  };

  const button = (remedy: Remedy, first: boolean) => {
    const variant = first ? 'primary' : 'plain';
    switch (remedy) {
      case 'retry':
      case 'rejoin':
        return (
          <Button key={remedy} variant={variant} onClick={() => onAgain()}>
            {t(remedy === 'retry' ? 'retry' : 'over.rejoin')}
          </Button>
        );
      case 'home':
        return (
          <Button key={remedy} variant={variant} onClick={() => navigate('/')}>
            {t('home.go')}
          </Button>
        );
      case 'check':
        return (
          <Button key={remedy} variant={variant} onClick={() => navigate('/check')}>
            {t('check.go')}
          </Button>
        );
      default:
        return null;
    }
  };

  const asksPassword = help.remedies.includes('password');
  // The server's own words say more where ours are general.
  const detail = code === 'bad_token' || (help.title.startsWith('help.other') && code !== 'kicked') ? message : '';
  return (
    <Message
      icon={ICONS[code] ?? 'warning'}
      title={t(help.title, { room })}
      text={
        <>
          {t(help.text, { room, message })}
          {detail && (
            <>
              <br />
              {detail}
            </>
          )}
        </>
      }
    >
      {asksPassword && (
        <form onSubmit={submit}>
          <Field
            label={t('password')}
            type="password"
            autoComplete="off"
            autoFocus
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
          <p>&nbsp;</p>
          <Button type="submit" variant="primary" wide disabled={!password}>
            {t('prejoin.join')}
          </Button>
        </form>
      )}
      {help.remedies.map((remedy, index) => button(remedy, index === 0 && !asksPassword))}
    </Message>
  );
}
