import { useId, useRef } from 'react';
import { useT } from '../i18n/index.ts';
import { Icon } from '../ui/Icon.tsx';
import bar from './BarButton.module.css';
import styles from './ReactionPicker.module.css';
import { useControls } from './useControls.ts';

/** The reactions that can be sent, with the keys of their names. */
export const REACTIONS = [
  ['👍', 'reaction.thumbsUp'],
  ['❤️', 'reaction.heart'],
  ['👏', 'reaction.clap'],
  ['😂', 'reaction.laugh'],
  ['😮', 'reaction.wow'],
  ['🎉', 'reaction.party'],
] as const;

/** A button that opens a row of reactions. */
export function ReactionPicker() {
  const t = useT();
  const id = useId();
  const controls = useControls();
  const button = useRef<HTMLButtonElement>(null);
  const row = useRef<HTMLDivElement>(null);
  return (
    <>
      <button ref={button} type="button" className={bar['button']} aria-label={t('react')} title={t('react')} popoverTarget={id}>
        <Icon name="smile" size={24} />
      </button>
      <div
        ref={row}
        id={id}
        popover="auto"
        className={styles['row']}
        onBeforeToggle={(event) => {
          const anchor = button.current?.getBoundingClientRect();
          if (event.newState === 'open' && anchor && row.current) {
            row.current.style.left = `${Math.max(8, anchor.left + anchor.width / 2 - 160)}px`;
            row.current.style.top = `${anchor.top - 72}px`;
          }
        }}
      >
        <ReactionButtons
          onPick={(emoji) => {
            controls.react(emoji);
            row.current?.hidePopover();
          }}
        />
      </div>
    </>
  );
}

/** The reactions as buttons. */
export function ReactionButtons({ onPick }: { onPick: (emoji: string) => void }) {
  const t = useT();
  return REACTIONS.map(([emoji, key]) => (
    <button key={key} type="button" className={styles['emoji']} aria-label={t(key)} title={t(key)} onClick={() => onPick(emoji)}>
      {emoji}
    </button>
  ));
}
