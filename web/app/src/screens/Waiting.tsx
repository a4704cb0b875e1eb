import { useRoom } from '@parlour/react';
import { useT } from '../i18n/index.ts';
import { Button } from '../ui/Button.tsx';
import { Spinner } from '../ui/Spinner.tsx';
import { Message } from './Message.tsx';

/** In the waiting room, until a host lets the person in. */
export function Waiting() {
  const t = useT();
  const room = useRoom();
  return (
    <Message icon="clock" title={t('waiting.title')} text={t('waiting.text')}>
      <Spinner size={32} />
      <Button onClick={() => void room.leave()}>{t('waiting.leave')}</Button>
    </Message>
  );
}
