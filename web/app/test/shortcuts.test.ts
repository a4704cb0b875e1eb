import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Action, listenForShortcuts } from '../src/lib/shortcuts.ts';

let actions: Action[];
let talks: boolean[];
let stop: () => void;

beforeEach(() => {
  document.body.innerHTML = '<input><textarea></textarea><button>press</button><dialog open><p id="inside"></p></dialog>';
  actions = [];
  talks = [];
  stop = listenForShortcuts(window, { onAction: (action) => actions.push(action), onTalk: (talking) => talks.push(talking) });
});

afterEach(() => stop());

const key = (name: string, target: EventTarget = document.body, init: KeyboardEventInit = {}, type = 'keydown'): KeyboardEvent => {
  const event = new KeyboardEvent(type, { key: name, bubbles: true, cancelable: true, composed: true, ...init });
  target.dispatchEvent(event);
  return event;
};
const element = (selector: string): Element => document.querySelector(selector) as Element;

describe('shortcuts', () => {
  it('map a key to what it does, in either case', () => {
    for (const name of ['m', 'V', 'h', 'c', 's', 'f']) key(name);
    key('?', document.body, { shiftKey: true });
    expect(actions).toEqual(['mic', 'camera', 'hand', 'chat', 'screen', 'fullscreen', 'help']);
  });

  it('leave keys with modifiers to the browser', () => {
    for (const modifier of ['ctrlKey', 'metaKey', 'altKey']) key('m', document.body, { [modifier]: true });
    key('m', document.body, { shiftKey: true });
    expect(actions).toEqual([]);
  });

  it('leave keys to text fields and open dialogs', () => {
    key('m', element('input'));
    key('c', element('textarea'));
    key('m', element('#inside'));
    key(' ', element('input'));
    expect(actions).toEqual([]);
    expect(talks).toEqual([]);
  });

  it('do nothing more while a key is held', () => {
    key('m');
    key('m', document.body, { repeat: true });
    expect(actions).toEqual(['mic']);
  });
});

describe('push to talk', () => {
  it('talks while the space bar is down', () => {
    expect(key(' ').defaultPrevented).toBe(true);
    key(' ', document.body, { repeat: true });
    key(' ', document.body, {}, 'keyup');
    expect(talks).toEqual([true, false]);
  });

  it('ends when the window loses the keyboard', () => {
    key(' ');
    window.dispatchEvent(new Event('blur'));
    key(' ', document.body, {}, 'keyup');
    expect(talks).toEqual([true, false]);
  });

  it('ends when the call does', () => {
    key(' ');
    stop();
    expect(talks).toEqual([true, false]);
  });

  it('still lets the space bar press a focused button', () => {
    const pressed = vi.fn();
    element('button').addEventListener('click', pressed);
    expect(key(' ', element('button')).defaultPrevented).toBe(false);
    expect(talks).toEqual([]);
  });
});
