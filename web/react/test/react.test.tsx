import { act, cleanup, render, screen } from '@testing-library/react';
import { StrictMode, useState, type ReactNode } from 'react';
import { renderToString } from 'react-dom/server';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Room } from '@parlour/client';
import { pass, useWorld } from '../../core/test/support/world.ts';
import { RoomAudio, RoomProvider, useChat, useConnection, useDataChannel, useLocal, useParticipants, useRoom, useRoomEvent, useShortcuts, useSnapshot, useTrack, Video } from '../src/index.ts';

const here = useWorld();
const URL = 'https://host.example/r/test';

/** Lets virtual time go by for the call and for React. */
const wait = (ms: number) => act(async () => void (await pass(ms)));

const played: HTMLMediaElement[] = [];
let play: (element: HTMLMediaElement) => Promise<void> = () => Promise.resolve();

beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
  played.length = 0;
  play = () => Promise.resolve();
  vi.spyOn(HTMLMediaElement.prototype, 'play').mockImplementation(function (this: HTMLMediaElement) {
    played.push(this);
    return play(this);
  });
  Object.defineProperty(HTMLMediaElement.prototype, 'srcObject', { value: null, writable: true, configurable: true });
});

afterEach(async () => {
  cleanup();
  await pass(100);
  vi.restoreAllMocks();
});

function Names(): ReactNode {
  return <p>{useParticipants().map(({ name }) => name).join()}</p>;
}

describe('RoomProvider', () => {
  test('joins once under StrictMode, shows the fallback meanwhile, and leaves when unmounted', async () => {
    await here.world.join('Ann');
    const { container, unmount } = render(
      <StrictMode>
        <RoomProvider url={URL} options={{ name: 'Ben' }} fallback="Joining…">
          <Names />
        </RoomProvider>
      </StrictMode>,
    );
    expect(container.textContent).toBe('Joining…');
    await wait(200);
    expect(container.textContent).toBe('Ann');
    expect([...here.world.server.sessions.values()].map(({ peer }) => peer.name)).toEqual(['Ann', 'Ben']);
    unmount();
    await wait(200);
    expect([...here.world.server.sessions.values()].map(({ peer }) => peer.name)).toEqual(['Ann']);
  });

  test('shows why joining failed, and tries again', async () => {
    here.world.reachable = false;
    const { container } = render(
      <RoomProvider url={URL} options={{ name: 'Ben', timeout: 3_000 }} failed={(error, retry) => <button onClick={retry}>{error.code}</button>}>
        <Names />
      </RoomProvider>,
    );
    await wait(3_500);
    expect(container.textContent).toBe('unreachable');
    here.world.reachable = true;
    act(() => screen.getByRole('button').click());
    await wait(200);
    expect(here.world.server.sessions.size).toBe(1);
    expect(container.querySelector('p')).not.toBeNull();
  });

  test('provides a room that is joined already, and does not leave it', async () => {
    const ann = await here.world.join('Ann');
    const { unmount } = render(
      <RoomProvider room={ann}>
        <Names />
      </RoomProvider>,
    );
    unmount();
    await wait(200);
    expect(ann.getSnapshot().status).toBe('joined');
  });

  test('on a server it renders the fallback and touches nothing', () => {
    expect(renderToString(<RoomProvider url={URL} fallback="Joining…">x</RoomProvider>)).toBe('Joining…');
    expect(here.world.sockets).toHaveLength(0);
  });

  test('a hook outside of it says what is missing', () => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    expect(() => render(<Names />)).toThrow('<RoomProvider>');
  });
});

describe('hooks', () => {
  async function call(children: ReactNode): Promise<{ ann: Room; ben: Room; container: HTMLElement }> {
    const ann = await here.world.join('Ann');
    const ben = await here.world.join('Ben', { camera: true });
    const { container } = render(<RoomProvider room={ann}>{children}</RoomProvider>);
    await wait(500);
    return { ann, ben, container };
  }

  test('render again only when what they select changes', async () => {
    let renders = 0;
    function Chat(): ReactNode {
      renders += 1;
      return useChat().messages.map(({ text }) => text).join();
    }
    const { ben, container } = await call(<Chat />);
    const before = renders;
    await act(async () => {
      void ben.mic(true);
      void ben.hand(true);
      await pass(200);
    });
    expect(renders).toBe(before);
    await act(async () => {
      void ben.send('hi');
      await pass(200);
    });
    expect(container.textContent).toBe('hi');
    expect(renders).toBe(before + 1);
  });

  test('follow the call: participants, tracks, oneself, the connection', async () => {
    function All(): ReactNode {
      const [first] = useParticipants(({ camera }) => camera);
      const track = useTrack(first?.id ?? '', 'camera');
      return [first?.name ?? 'nobody', track ? 'picture' : 'none', useLocal().mic ? 'open' : 'muted', useConnection().state].join();
    }
    const { ann, ben, container } = await call(<All />);
    expect(container.textContent).toBe('Ben,picture,muted,connected');
    await act(async () => {
      await ann.mic(true);
      await ben.camera(false);
      here.world.reachable = false;
      here.world.socketOf(ann).cut();
      await pass(200);
    });
    expect(container.textContent).toContain('open,reconnecting');
  });

  test('events reach the newest listener', async () => {
    const seen: string[] = [];
    function Listens(): ReactNode {
      const [count, setCount] = useState(0);
      useRoomEvent('reaction', ({ emoji }) => {
        seen.push(`${count} ${emoji}`);
        setCount(count + 1);
      });
      return null;
    }
    const { ben } = await call(<Listens />);
    for (const emoji of ['👍', '🎉']) {
      await act(async () => {
        ben.react(emoji);
        await pass(100);
      });
    }
    expect(seen).toEqual(['0 👍', '1 🎉']);
  });

  test('a data channel is open while the connection is, and is made anew after it broke', async () => {
    const states: (string | undefined)[] = [];
    function Channel(): ReactNode {
      const channel = useDataChannel(useSnapshot(({ peers }) => peers[0]!.id), 'game');
      states.push(channel?.readyState);
      return null;
    }
    await call(<Channel />);
    await wait(500);
    expect(states.at(-1)).toBe('open');
    [...here.world.network.all.values()][0]!.close();
    await wait(5_000);
    expect(states).toContain(undefined);
    expect(states.at(-1)).toBe('open');
  });

  test('shortcuts: not in text fields, not with modifiers, and a held key is let go when the window loses focus', () => {
    const press = vi.fn();
    const hold = vi.fn();
    function Keys(): ReactNode {
      useShortcuts({ KeyM: { press }, Space: { hold } });
      return <input aria-label="text" />;
    }
    render(<Keys />);
    const key = (type: string, code: string, init: KeyboardEventInit = {}, target: EventTarget = document.body) =>
      target.dispatchEvent(new KeyboardEvent(type, { code, bubbles: true, cancelable: true, ...init }));
    key('keydown', 'KeyM');
    key('keydown', 'KeyM', { repeat: true });
    key('keydown', 'KeyM', { ctrlKey: true });
    key('keydown', 'KeyM', {}, screen.getByLabelText('text'));
    expect(press).toHaveBeenCalledTimes(1);
    key('keydown', 'Space');
    key('keydown', 'Space', { repeat: true });
    window.dispatchEvent(new Event('blur'));
    key('keyup', 'Space');
    expect(hold.mock.calls).toEqual([[true], [false]]);
  });
});

describe('media elements', () => {
  test('<Video> keeps its element for another stream', () => {
    const { container, rerender } = render(<Video stream={new MediaStream()} />);
    const [video] = container.querySelectorAll('video');
    const next = new MediaStream();
    rerender(<Video stream={next} mirror />);
    expect(container.querySelector('video')).toBe(video);
    expect(video!.srcObject).toBe(next);
    expect(video!.style.transform).toBe('scaleX(-1)');
  });

  test('<RoomAudio> plays everybody, and offers one click for all when the browser refuses', async () => {
    const ann = await here.world.join('Ann');
    await here.world.join('Ben', { mic: true });
    await here.world.join('Cem', { mic: true });
    await pass(500);
    play = () => Promise.reject(new DOMException('click first', 'NotAllowedError'));
    const { container } = render(
      <RoomProvider room={ann}>
        <RoomAudio />
        <Unlock />
      </RoomProvider>,
    );
    await wait(100);
    expect(container.querySelectorAll('audio')).toHaveLength(2);
    play = () => Promise.resolve();
    played.length = 0;
    await act(async () => {
      screen.getByRole('button').click();
      await pass(10);
    });
    expect(new Set(played).size).toBe(2);
    expect(screen.queryByRole('button')).toBeNull();
  });
});

function Unlock(): ReactNode {
  const room = useRoom();
  return useSnapshot(({ audioBlocked }) => audioBlocked) && <button onClick={() => void room.unlock()}>Play sound</button>;
}
