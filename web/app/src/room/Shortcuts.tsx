import { type Key, useT } from '../i18n/index.ts';
import { Dialog } from '../ui/Dialog.tsx';
import styles from './Shortcuts.module.css';

const KEYS: [string, Key][] = [
  ['M', 'shortcut.mic'],
  ['V', 'shortcut.camera'],
  ['space', 'shortcut.talk'],
  ['H', 'shortcut.hand'],
  ['C', 'shortcut.chat'],
  ['S', 'shortcut.screen'],
  ['F', 'shortcut.fullscreen'],
  ['?', 'shortcut.help'],
];

/** The keys of a call. */
export default function Shortcuts({ onClose }: { onClose: () => void }) {
  const t = useT();
  return (
    <Dialog title={t('shortcuts')} onClose={onClose}>
      <dl className={styles['keys']}>
        {KEYS.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key === 'space' ? t('shortcut.space') : key}</kbd>
            </dt>
            <dd>{t(text)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
