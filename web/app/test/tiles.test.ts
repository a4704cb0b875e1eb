import type { LocalSnapshot, PeerSnapshot } from '@parlour/client';
import { describe, expect, it } from 'vitest';
import { listTiles, mainTile, placeTiles } from '../src/room/tiles.ts';

const peer = (id: string, more: Partial<PeerSnapshot> = {}): PeerSnapshot => ({ id, screen: false, ...more }) as PeerSnapshot;
const you = (more: Partial<LocalSnapshot> = {}): LocalSnapshot => ({ id: 'me', screen: false, ...more }) as LocalSnapshot;
const stage = { width: 1280, height: 600, gap: 12, layout: 'auto' as const, pinned: null, speaker: null };

describe('the tiles of a call', () => {
  it('shows two people face to face: the other fills the stage, oneself floats', () => {
    const [other, self] = placeTiles(listTiles(you(), [peer('a')]), stage);
    expect(other).toMatchObject({ peer: 'a', role: 'main', place: { x: 0, y: 0, width: 1280, height: 600 } });
    expect(self).toMatchObject({ peer: 'me', role: 'float' });
    expect(self?.place?.width).toBeLessThan(300);
  });

  it('keeps the keys and the order of those who stay when somebody comes or shares a screen', () => {
    const before = listTiles(you(), [peer('a'), peer('b')]).map((tile) => tile.key);
    const after = listTiles(you(), [peer('a'), peer('b', { screen: true }), peer('c')]).map((tile) => tile.key);
    expect(after.filter((key) => before.includes(key))).toEqual(before);
    expect(after).toContain('b:screen');
  });

  it('makes a shared screen large, and another one when it is pinned', () => {
    const tiles = listTiles(you(), [peer('a', { screen: true }), peer('b', { screen: true })]);
    expect(mainTile(tiles, 'auto', null, null)?.key).toBe('a:screen');
    expect(mainTile(tiles, 'auto', 'b:screen', null)?.key).toBe('b:screen');
    expect(mainTile(tiles, 'grid', null, null)).toBeNull();
  });

  it('follows the speaker in the speaker layout, never oneself', () => {
    const tiles = listTiles(you(), [peer('a'), peer('b')]);
    expect(mainTile(tiles, 'speaker', null, 'b')?.key).toBe('b:camera');
    expect(mainTile(tiles, 'speaker', null, 'me')?.key).toBe('a:camera');
    expect(mainTile(tiles, 'auto', null, 'b')).toBeNull();
  });

  it('forgets a pin whose picture is gone', () => {
    expect(mainTile(listTiles(you(), [peer('a'), peer('b')]), 'auto', 'x:camera', null)).toBeNull();
  });

  it('shows oneself alone in the middle', () => {
    expect(placeTiles(listTiles(you(), []), stage)).toMatchObject([{ peer: 'me', role: 'grid' }]);
  });
});
