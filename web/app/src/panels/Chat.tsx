import type { ChatMessage } from '@parlour/client';
import { useChat, useLocal, useParticipants, useRoom } from '@parlour/react';
import { type FormEvent, type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useT } from '../i18n/index.ts';
import { linkify } from '../lib/linkify.ts';
import { codeOf } from '../lib/media.ts';
import { useRoomUi } from '../room/ui.ts';
import { cx } from '../ui/cx.ts';
import { IconButton } from '../ui/IconButton.tsx';
import { Select } from '../ui/Select.tsx';
import styles from './Chat.module.css';

const MAX_CHARS = 4_000;
/** Messages of one person within this time stand together under one name. */
const TOGETHER_MS = 3 * 60_000;
const NEAR_END_PX = 80;

/** Messages to all or to one. */
export default function Chat() {
  const t = useT();
  const ui = useRoomUi();
  const room = useRoom();
  const you = useLocal();
  const peers = useParticipants();
  const { messages, send } = useChat();
  const [text, setText] = useState('');
  const [failed, setFailed] = useState(false);
  const list = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const atEnd = useRef(true);
  const to = peers.some((peer) => peer.id === ui.recipient) ? ui.recipient : null;

  useEffect(() => field.current?.focus({ preventScroll: true }), []);

  // It stays at the newest message, unless the person has scrolled up to read.
  useLayoutEffect(() => {
    if (atEnd.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [messages]);

  // The field grows with its text.
  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = 'auto';
    area.style.height = `${Math.min(area.scrollHeight + 2, 140)}px`;
  }, [text]);

  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    const trimmed = text.trim();
    if (!trimmed) return;
    setText('');
    setFailed(false);
    atEnd.current = true;
    send(trimmed, to ? { to } : {}).catch((error: unknown) => {
      // Only the answer was lost: the message itself is in the list.
      const last = room.getSnapshot().chat.findLast((message) => message.from === you.id);
      if (codeOf(error) === 'unknown_outcome' && last?.text === trimmed) return;
      setFailed(true);
      setText((now) => now || trimmed);
    });
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) submit(event as unknown as FormEvent);
  };

  return (
    <>
      <div
        ref={list}
        className={styles['list']}
        role="log"
        aria-live="polite"
        aria-label={t('chat.messages')}
        tabIndex={0}
        onScroll={(event) => {
          const area = event.currentTarget;
          atEnd.current = area.scrollHeight - area.scrollTop - area.clientHeight < NEAR_END_PX;
        }}
      >
        {messages.length === 0 && <p className={styles['empty']}>{t('chat.empty')}</p>}
        {messages.map((message, index) => (
          <Message
            key={message.key}
            message={message}
            mine={message.from === you.id}
            toName={message.to === undefined ? null : message.to === you.id ? t('you') : (peers.find((peer) => peer.id === message.to)?.name ?? t('somebody'))}
            joined={isTogether(messages[index - 1], message)}
          />
        ))}
      </div>
      <form className={styles['form']} onSubmit={submit}>
        {peers.length > 1 || to ? (
          <Select
            label={t('chat.to')}
            hideLabel
            value={to ?? ''}
            options={[{ value: '', label: t('chat.toAll') }, ...peers.map((peer) => ({ value: peer.id, label: t('chat.toOne', { name: peer.name }) }))]}
            onChange={(value) => ui.setRecipient(value || null)}
          />
        ) : null}
        {failed && (
          <p className={styles['failed']} role="alert">
            {t('chat.failed')}
          </p>
        )}
        <div className={styles['write']}>
          <textarea
            ref={field}
            rows={1}
            value={text}
            maxLength={MAX_CHARS}
            aria-label={t('chat.write')}
            placeholder={t('chat.write')}
            enterKeyHint="send"
            onChange={(event) => setText(event.target.value)}
            onKeyDown={onKeyDown}
          />
          <IconButton icon="send" label={t('chat.send')} type="submit" disabled={!text.trim()} className={styles['send']} />
        </div>
      </form>
    </>
  );
}

/** The browser's own region for the app's language, so that times are written as the person is used to. */
function localeFor(language: string): string {
  return navigator.language.startsWith(language.slice(0, 2)) ? navigator.language : language;
}

function isTogether(before: ChatMessage | undefined, message: ChatMessage): boolean {
  return before !== undefined && before.from === message.from && before.to === message.to && message.time - before.time < TOGETHER_MS;
}

function Message({ message, mine, toName, joined }: { message: ChatMessage; mine: boolean; toName: string | null; joined: boolean }) {
  const t = useT();
  return (
    <article className={cx(styles['message'], mine && styles['mine'], joined && styles['joined'])}>
      {!joined && (
        <header>
          <strong>{mine ? t('you') : message.name}</strong>
          {toName !== null && <span className={styles['private']}>{t('chat.private', { name: toName })}</span>}
          <time dateTime={new Date(message.time).toISOString()}>
            {new Date(message.time).toLocaleTimeString(localeFor(t.language), { hour: '2-digit', minute: '2-digit' })}
          </time>
        </header>
      )}
      <p>
        {linkify(message.text).map((piece, index) =>
          piece.href ? (
            <a key={index} href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
              {piece.text}
            </a>
          ) : (
            piece.text
          ),
        )}
      </p>
    </article>
  );
}
