import { useDevices, useLocal, useRoom, useSnapshot } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { NARROW, useMedia } from '../lib/useMedia.ts';
import { useRoomUi } from '../room/ui.ts';
import { Icon } from '../ui/Icon.tsx';
import { Menu, type MenuItem } from '../ui/Menu.tsx';
import bar from './BarButton.module.css';
import { REACTIONS } from './ReactionPicker.tsx';
import { useControls } from './useControls.ts';

/** Everything that has no button of its own; on a phone that is more. */
export function MoreMenu() {
  const t = useT();
  const ui = useRoomUi();
  const room = useRoom();
  const you = useLocal();
  const controls = useControls();
  const narrow = useMedia(NARROW);
  const cameras = useDevices('camera');
  const info = useSnapshot((snapshot) => snapshot.room);

  const keys: MenuItem = { id: 'keys', icon: 'keyboard', label: t('shortcuts'), hint: '?', onSelect: () => ui.openDialog('shortcuts') };
  const items = (): MenuItem[] => [
    ...(narrow
      ? ([
          { id: 'people', icon: 'people', label: t('people'), onSelect: () => ui.openPanel('people') },
          { id: 'files', icon: 'files', label: t('files'), onSelect: () => ui.openPanel('files') },
          ...(controls.canShare
            ? [{ id: 'screen', icon: 'screen' as const, label: t(you.screen ? 'screen.stop' : 'screen.share'), onSelect: () => void controls.toggleScreen() }]
            : []),
          ...(cameras.length > 1 && you.camera ? [{ id: 'flip', icon: 'flip' as const, label: t('camera.flip'), onSelect: () => void controls.flipCamera() }] : []),
          ...REACTIONS.slice(0, 3).map(([emoji, key]) => ({ id: key, label: `${emoji}  ${t(key)}`, onSelect: () => controls.react(emoji) })),
          { kind: 'line', id: 'line0' },
        ] satisfies MenuItem[])
      : []),
    ...(you.screen
      ? [{ kind: 'choice' as const, id: 'motion', label: t('screen.motion'), checked: you.motion, onSelect: () => void room.motion(!you.motion) }]
      : []),
    ...(typeof MediaRecorder === 'undefined'
      ? []
      : [{ id: 'record', icon: 'record' as const, label: t(controls.recording ? 'record.stop' : 'record.start'), onSelect: () => void controls.toggleRecording() }]),
    ...(document.fullscreenEnabled
      ? [{ id: 'full', icon: 'expand' as const, label: t('fullscreen'), hint: 'F', onSelect: controls.toggleFullscreen }]
      : []),
    { id: 'stats', icon: 'stats', label: t('stats'), onSelect: () => ui.openDialog('stats') },
    ...(narrow ? [] : [keys]),
    { id: 'settings', icon: 'settings', label: t('settings'), onSelect: () => ui.openDialog('settings') },
    ...(you.can.moderate
      ? ([
          { kind: 'line', id: 'line1' },
          { id: 'muteAll', icon: 'micOff', label: t('host.muteAll'), onSelect: () => void room.askMute('mic').catch(() => undefined) },
          { id: 'lock', icon: 'lock', label: t(info.locked ? 'host.unlock' : 'host.lock'), onSelect: () => void room.lock(!info.locked).catch(() => undefined) },
          { id: 'end', icon: 'leave', danger: true, label: t('host.end'), onSelect: () => ui.openDialog('end') },
        ] satisfies MenuItem[])
      : []),
  ];
  return (
    <Menu label={t('more')} className={bar['button'] ?? ''} items={items}>
      <Icon name="more" size={24} />
    </Menu>
  );
}
