import { useT } from '../i18n/index.ts';
import { Button } from '../ui/Button.tsx';
import { Message } from './Message.tsx';

/** The page itself failed, or its parts no longer fit the server: loading it again helps. */
export function Broken() {
  const t = useT();
  return (
    <Message icon="warning" title={t('help.version.title')} text={t('help.version.text')}>
      <Button variant="primary" onClick={() => location.reload()}>
        {t('retry')}
      </Button>
    </Message>
  );
}
