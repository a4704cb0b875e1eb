import { useLocal, useParticipants, useRoom, useSnapshot } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { qualityText } from '../room/QualityMark.tsx';
import { useRoomUi } from '../room/ui.ts';
import { Avatar } from '../ui/Avatar.tsx';
import { Button } from '../ui/Button.tsx';
import { Icon } from '../ui/Icon.tsx';
import iconButton from '../ui/IconButton.module.css';
import { Menu } from '../ui/Menu.tsx';
import { HostControls } from './HostControls.tsx';
import styles from './People.module.css';
import { peerActions } from './peerActions.ts';

/** Who is here, who waits, whose hand is up; and for hosts what they may do. */
export default function People() {
  const t = useT();
  const ui = useRoomUi();
  const room = useRoom();
  const you = useLocal();
  const peers = useParticipants();
  const waiting = useSnapshot((snapshot) => snapshot.waiting);

  const everybody = [{ ...you, self: true as const }, ...peers.map((peer) => ({ ...peer, self: false as const }))];
  const hands = everybody.filter((person) => person.hand !== null).sort((a, b) => (a.hand ?? 0) - (b.hand ?? 0));

  return (
    <div className={styles['body']}>
      <Button icon="share" wide onClick={() => ui.openDialog('invite')}>
        {t('invite')}
      </Button>

      {waiting.length > 0 && (
        <section aria-label={t('people.waiting')}>
          <h3>{t('people.waiting')}</h3>
          <ul>
            {waiting.map((peer) => (
              <li key={peer.id} className={styles['person']}>
                <Avatar name={peer.name} size={36} />
                <span className={styles['name']}>{peer.name}</span>
                <Button variant="quiet" aria-label={t('people.deny', { name: peer.name })} onClick={() => void room.admit(peer.id, false).catch(() => undefined)}>
                  {t('people.denyShort')}
                </Button>
                <Button variant="primary" aria-label={t('people.admit', { name: peer.name })} onClick={() => void room.admit(peer.id, true).catch(() => undefined)}>
                  {t('people.admitShort')}
                </Button>
              </li>
            ))}
          </ul>
        </section>
      )}

      {hands.length > 0 && (
        <section aria-label={t('people.hands')}>
          <h3>{t('people.hands')}</h3>
          <ol>
            {hands.map((person, index) => (
              <li key={person.id} className={styles['person']}>
                <span className={styles['order']}>{index + 1}</span>
                <span className={styles['name']}>{person.self ? t('tile.you', { name: person.name }) : person.name}</span>
                {(person.self || you.can.moderate) && (
                  <Button variant="quiet" onClick={() => void room.hand(false, person.self ? {} : { peer: person.id }).catch(() => undefined)}>
                    {t('hand.lower')}
                  </Button>
                )}
              </li>
            ))}
          </ol>
        </section>
      )}

      <section aria-label={t('people.here')}>
        <h3>{t.n('people.count', everybody.length)}</h3>
        <ul>
          {everybody.map((person) => (
            <li key={person.id} className={styles['person']} data-away={(!person.self && person.state === 'away') || undefined}>
              <Avatar name={person.name} size={36} />
              <span className={styles['name']}>
                {person.self ? t('tile.you', { name: person.name }) : person.name}
                <small>
                  {[
                    person.role === 'guest' ? null : t(`role.${person.role}` as const),
                    person.self ? null : person.state === 'away' ? t('people.away') : person.connection === 'none' ? null : qualityText(t, person.quality),
                  ]
                    .filter(Boolean)
                    .join(' · ')}
                </small>
              </span>
              <span className={styles['state']} role="img" aria-label={t(person.mic ? 'mic.isOn' : 'mic.isOff')}>
                <Icon name={person.mic ? 'mic' : 'micOff'} size={18} />
              </span>
              <span className={styles['state']} role="img" aria-label={t(person.camera ? 'camera.isOn' : 'camera.isOff')}>
                <Icon name={person.camera ? 'camera' : 'cameraOff'} size={18} />
              </span>
              {person.self ? (
                <span className={styles['gap']} />
              ) : (
                <Menu label={t('tile.menu', { name: person.name })} className={iconButton['button'] ?? ''} items={() => peerActions({ t, room, ui, you, peer: person })}>
                  <Icon name="more" size={20} />
                </Menu>
              )}
            </li>
          ))}
        </ul>
      </section>

      {you.can.moderate && <HostControls />}
    </div>
  );
}
