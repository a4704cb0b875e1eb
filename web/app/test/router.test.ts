import { describe, expect, it } from 'vitest';
import { parseRoute, readRoomInput } from '../src/lib/router.ts';

describe('addresses', () => {
  it('lead to their pages', () => {
    expect(parseRoute('/')).toEqual({ page: 'home' });
    expect(parseRoute('/check')).toEqual({ page: 'check' });
    expect(parseRoute('/r/Blue-Otter', '?join')).toMatchObject({ page: 'room', room: 'blue-otter' });
    expect(parseRoute('/r/caf%C3%A9')).toMatchObject({ page: 'room', room: 'café' });
  });

  it('that name no room are unknown', () => {
    for (const path of ['/r/', '/r/a b', '/r/a%20b', `/r/${'x'.repeat(129)}`, '/r/%E0%A4%A', '/x']) expect(parseRoute(path).page).toBe('unknown');
  });
});

describe('what is typed where a room is asked for', () => {
  it('may be a name, with spaces, or a link', () => {
    expect(readRoomInput(' Blue otter ')).toEqual({ room: 'blue-otter', origin: null });
    expect(readRoomInput('https://meet.example:8443/r/blue-otter?x=1')).toEqual({ room: 'blue-otter', origin: 'https://meet.example:8443' });
    expect(readRoomInput('meet.example/r/blue-otter')).toEqual({ room: 'blue-otter', origin: null });
  });

  it('may be nothing of the sort', () => {
    for (const text of ['', '   ', 'a/b', 'https://meet.example/', 'https://']) expect(readRoomInput(text)).toBeNull();
  });
});
