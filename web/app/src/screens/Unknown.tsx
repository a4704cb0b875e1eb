import { useT } from '../i18n/index.ts';
import { navigate } from '../lib/router.ts';
import { Button } from '../ui/Button.tsx';
import { Message } from './Message.tsx';

/** An address that leads nowhere. */
export function Unknown() {
  const t = useT();
  return (
    <Message icon="link" title={t('unknown.title')} text={t('unknown.text')}>
      <Button variant="primary" onClick={() => navigate('/')}>
        {t('home.go')}
      </Button>
    </Message>
  );
}
