import { lazy, Suspense, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { navigate } from '../lib/router.ts';
import { Boundary } from '../ui/Boundary.tsx';
import { Icon } from '../ui/Icon.tsx';
import iconButton from '../ui/IconButton.module.css';
import { Menu } from '../ui/Menu.tsx';

const Settings = lazy(() => import('./Settings.tsx'));

/** What is there outside of a call: settings and the check of this computer. */
export function AppMenu() {
  const t = useT();
  const [settings, setSettings] = useState(false);
  return (
    <>
      <Menu
        label={t('menu')}
        className={iconButton['button']}
        items={[
          { id: 'settings', label: t('settings'), icon: 'settings', onSelect: () => setSettings(true) },
          { id: 'check', label: t('check.go'), icon: 'check', onSelect: () => navigate('/check') },
        ]}
      >
        <Icon name="more" />
      </Menu>
      {settings && (
        <Boundary onError={() => setSettings(false)}>
          <Suspense>
            <Settings onClose={() => setSettings(false)} />
          </Suspense>
        </Boundary>
      )}
    </>
  );
}
