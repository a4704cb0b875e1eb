import { useLocal, useParticipants, useSnapshot } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { type Panel, useRoomUi } from '../room/ui.ts';
import { Icon } from '../ui/Icon.tsx';
import { BarButton } from './BarButton.tsx';
import styles from './ControlBar.module.css';
import { DeviceMenu } from './DeviceMenu.tsx';
import { MoreMenu } from './MoreMenu.tsx';
import { ReactionPicker } from './ReactionPicker.tsx';
import { useControls } from './useControls.ts';

/** The row of buttons under the stage. */
export function ControlBar() {
  const t = useT();
  const ui = useRoomUi();
  const you = useLocal();
  const controls = useControls();
  const peers = useParticipants();
  const waiting = useSnapshot((snapshot) => snapshot.waiting.length);
  const offers = useSnapshot((snapshot) => snapshot.files.filter((file) => file.direction === 'receive' && file.state === 'offered').length);
  const { publish } = you.can;

  const panelButton = (panel: Panel, icon: 'chat' | 'people' | 'files', name: string, badge: number, count?: number) => {
    const notes = [count, badge > 0 && t.n(`${panel}.news` as 'chat.news', badge)].filter(Boolean).join(', ');
    return (
      <BarButton
        icon={icon}
        label={notes ? `${name} (${notes})` : name}
        expanded={ui.panel === panel}
        badge={badge}
        count={count}
        quiet
        onClick={() => ui.openPanel(ui.panel === panel ? null : panel)}
      />
    );
  };

  return (
    <div className={styles['bar']} role="toolbar" aria-label={t('controls')}>
      <div className={styles['side']} />
      <div className={styles['centre']}>
        <div className={styles['pair']}>
          <BarButton
            icon={you.mic ? 'mic' : 'micOff'}
            label={t(you.mic ? 'mic.off' : 'mic.on')}
            hint="M"
            off={!you.mic}
            busy={controls.busy.mic}
            disabled={!publish}
            alert={you.interrupted.mic || you.speakingWhileMuted}
            onClick={() => void controls.setMic(!you.mic)}
          />
          <DeviceMenu kind="mic" />
        </div>
        <div className={styles['pair']}>
          <BarButton
            icon={you.camera ? 'camera' : 'cameraOff'}
            label={t(you.camera ? 'camera.off' : 'camera.on')}
            hint="V"
            off={!you.camera}
            busy={controls.busy.camera}
            disabled={!publish}
            alert={you.interrupted.camera}
            onClick={() => void controls.setCamera(!you.camera)}
          />
          <DeviceMenu kind="camera" />
        </div>
        {controls.canShare && (
          <div className={styles['wide']}>
            <BarButton
              icon={you.screen ? 'screenOff' : 'screen'}
              label={t(you.screen ? 'screen.stop' : 'screen.share')}
              hint="S"
              active={you.screen}
              busy={controls.busy.screen}
              disabled={!publish}
              onClick={() => void controls.toggleScreen()}
            />
          </div>
        )}
        <BarButton
          icon="hand"
          label={t(you.hand === null ? 'hand.raise' : 'hand.lower')}
          hint="H"
          active={you.hand !== null}
          onClick={controls.toggleHand}
        />
        <div className={styles['wide']}>
          <ReactionPicker />
        </div>
        <div className={styles['narrow']}>{panelButton('chat', 'chat', t('chat'), ui.unread)}</div>
        <MoreMenu />
        <button type="button" className={styles['leave']} aria-label={t('leave')} title={t('leave')} onClick={controls.leave}>
          <Icon name="leave" size={26} />
          <span>{t('leave.short')}</span>
        </button>
      </div>
      <div className={styles['side']}>
        {panelButton('chat', 'chat', t('chat'), ui.unread)}
        {panelButton('people', 'people', t('people'), waiting, peers.length + 1)}
        {panelButton('files', 'files', t('files'), offers)}
      </div>
    </div>
  );
}
