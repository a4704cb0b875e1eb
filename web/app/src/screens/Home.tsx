import { type FormEvent, useEffect, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { randomRoomName } from '../lib/names.ts';
import { forgetRoom, recentRooms } from '../lib/recent.ts';
import { navigate, readRoomInput, roomPath } from '../lib/router.ts';
import { Button } from '../ui/Button.tsx';
import { Field } from '../ui/Field.tsx';
import { Icon } from '../ui/Icon.tsx';
import { IconButton } from '../ui/IconButton.tsx';
import { Logo } from '../ui/Logo.tsx';
import { AppMenu } from './AppMenu.tsx';
import styles from './Home.module.css';
import page from './Page.module.css';
import { SecureHint } from './SecureHint.tsx';

/** The first page: begin a call, or go to one. */
export function Home() {
  const t = useT();
  const [input, setInput] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [recent, setRecent] = useState(recentRooms);

  useEffect(() => {
    document.title = 'Parlour';
  }, []);

  const join = (event: FormEvent): void => {
    event.preventDefault();
    const target = readRoomInput(input);
    if (!target) setError(input.trim() ? t('home.badRoom') : t('home.noRoom'));
    else if (target.origin && target.origin !== location.origin) location.assign(target.origin + roomPath(target.room));
    else navigate(roomPath(target.room));
  };

  return (
    <div className={page['page']}>
      <header className={page['top']}>
        <Logo />
        <AppMenu />
      </header>
      <main className={styles['main']}>
        <section className={styles['intro']}>
          <h1>{t('home.title')}</h1>
          <p className={page['lead']}>{t('home.lead')}</p>
          <ul className={styles['points']}>
            <li>
              <Icon name="link" size={20} />
              {t('home.point.link')}
            </li>
            <li>
              <Icon name="lock" size={20} />
              {t('home.point.private')}
            </li>
            <li>
              <Icon name="files" size={20} />
              {t('home.point.files')}
            </li>
          </ul>
        </section>
        <section className={styles['card']} aria-label={t('home.start')}>
          <SecureHint />
          <Button variant="primary" wide className={styles['create']} icon="plus" onClick={() => navigate(roomPath(randomRoomName()))}>
            {t('home.create')}
          </Button>
          <div className={styles['or']} aria-hidden="true">
            <span>{t('home.or')}</span>
          </div>
          <form className={styles['join']} onSubmit={join} noValidate>
            <Field
              label={t('home.joinLabel')}
              placeholder={t('home.joinPlaceholder')}
              value={input}
              error={error}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              enterKeyHint="go"
              onChange={(event) => {
                setInput(event.target.value);
                setError(null);
              }}
            />
            <Button type="submit" wide>
              {t('home.join')}
            </Button>
          </form>
          {recent.length > 0 && (
            <div className={styles['recent']}>
              <h2>{t('home.recent')}</h2>
              <ul>
                {recent.map((entry) => (
                  <li key={entry.room}>
                    <a
                      href={roomPath(entry.room)}
                      onClick={(event) => {
                        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                        event.preventDefault();
                        navigate(roomPath(entry.room));
                      }}
                    >
                      <Icon name="door" size={20} />
                      <span>{entry.room}</span>
                    </a>
                    <IconButton
                      icon="close"
                      size={18}
                      label={t('home.forget', { room: entry.room })}
                      onClick={() => {
                        forgetRoom(entry.room);
                        setRecent(recentRooms());
                      }}
                    />
                  </li>
                ))}
              </ul>
            </div>
          )}
        </section>
      </main>
    </div>
  );
}
