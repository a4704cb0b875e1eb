import { useRoom, useSnapshot } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { useControls } from '../controls/useControls.ts';
import { Icon } from '../ui/Icon.tsx';
import { Menu } from '../ui/Menu.tsx';
import iconButton from '../ui/IconButton.module.css';
import styles from './Header.module.css';
import { type Layout, useRoomUi } from './ui.ts';

const LAYOUTS: Layout[] = ['auto', 'grid', 'speaker'];

/** The line above the stage: which room, who may come in, how it is laid out. */
export function Header() {
  const t = useT();
  const room = useRoom();
  const ui = useRoomUi();
  const { recording } = useControls();
  const info = useSnapshot((snapshot) => snapshot.room);
  const mesh = useSnapshot((snapshot) => snapshot.mesh);
  return (
    <header className={styles['header']}>
      <h1 className={styles['name']} title={room.id}>
        {room.id}
      </h1>
      {info.locked && (
        <span className={styles['mark']} title={t('room.locked')}>
          <Icon name="lock" size={16} />
          <span>{t('room.locked')}</span>
        </span>
      )}
      {recording && (
        <span className={styles['recording']}>
          <span aria-hidden="true" />
          {t('record.on')}
        </span>
      )}
      {mesh.exceeded && (
        <span className={styles['mark']} title={t('room.meshFull', { n: mesh.max })}>
          <Icon name="info" size={16} />
          <span>{t('room.meshFull', { n: mesh.max })}</span>
        </span>
      )}
      <span className={styles['space']} />
      <button type="button" className={styles['invite']} aria-label={t('invite')} onClick={() => ui.openDialog('invite')}>
        <Icon name="share" size={18} />
        <span>{t('invite')}</span>
      </button>
      <Menu
        label={t('layout')}
        className={iconButton['button']}
        items={LAYOUTS.map((layout) => ({
          kind: 'choice',
          id: layout,
          label: t(`layout.${layout}` as const),
          checked: ui.layout === layout,
          onSelect: () => {
            ui.setLayout(layout);
            ui.setPinned(null);
          },
        }))}
      >
        <Icon name={ui.layout === 'speaker' ? 'speaker' : 'grid'} />
      </Menu>
    </header>
  );
}
