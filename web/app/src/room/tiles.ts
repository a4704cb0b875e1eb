import type { LocalSnapshot, PeerSnapshot } from '@parlour/client';
import { gridPlaces, type Place, speakerPlaces } from '../lib/grid.ts';
import type { Layout } from './ui.ts';

/** One picture on the stage. */
export interface TileInfo {
  /** Stays the same while the picture is there. */
  key: string;
  peer: string;
  source: 'camera' | 'screen';
  self: boolean;
}

/** Where a tile stands, and how. */
export interface PlacedTile extends TileInfo {
  place: Place | null;
  /** `float`: over another tile. */
  role: 'grid' | 'main' | 'strip' | 'float';
}

/** The key of a tile. */
export function tileKey(peer: string, source: 'camera' | 'screen'): string {
  return `${peer}:${source}`;
}

/** All pictures: shared screens, the others in the order in which they came, oneself last. */
export function listTiles(you: LocalSnapshot, peers: readonly PeerSnapshot[]): TileInfo[] {
  const tile = (peer: string, source: 'camera' | 'screen', self: boolean): TileInfo => ({ key: tileKey(peer, source), peer, source, self });
  return [
    ...peers.filter((peer) => peer.screen).map((peer) => tile(peer.id, 'screen', false)),
    ...(you.screen ? [tile(you.id, 'screen', true)] : []),
    ...peers.map((peer) => tile(peer.id, 'camera', false)),
    tile(you.id, 'camera', true),
  ];
}

const FLOAT_MARGIN = 16;

/** The small picture of oneself in a corner of a call for two. */
function floatPlace(width: number, height: number): Place {
  const upright = height > width;
  const w = Math.round(upright ? Math.min(120, width * 0.3) : Math.min(256, Math.max(140, width * 0.2)));
  const h = Math.round(upright ? (w * 4) / 3 : (w * 9) / 16);
  const margin = upright ? 10 : FLOAT_MARGIN;
  return { x: width - w - margin, y: height - h - margin, width: w, height: h };
}

/** Which tile is large: the pinned one, else a shared screen, else (in the speaker layout) who speaks. `null` for none. */
export function mainTile(tiles: TileInfo[], layout: Layout, pinned: string | null, speaker: string | null): TileInfo | null {
  const held = tiles.find((tile) => tile.key === pinned);
  if (held) return held;
  if (layout === 'grid') return null;
  const screen = tiles.find((tile) => tile.source === 'screen' && !tile.self) ?? tiles.find((tile) => tile.source === 'screen');
  if (screen) return screen;
  if (layout !== 'speaker') return null;
  return tiles.find((tile) => tile.peer === speaker && !tile.self) ?? tiles.find((tile) => !tile.self) ?? null;
}

/** Gives each tile its place on a stage of `width` × `height`. The order of the tiles never changes, so that no picture is mounted anew. */
export function placeTiles(
  tiles: TileInfo[],
  options: { width: number; height: number; gap: number; layout: Layout; pinned: string | null; speaker: string | null },
): PlacedTile[] {
  const { width, height, gap } = options;
  const main = mainTile(tiles, options.layout, options.pinned, options.speaker);
  const whole: Place = { x: 0, y: 0, width, height };

  const facing = tiles.length === 2 && options.layout !== 'grid';
  if (facing) {
    const large = main ?? tiles.find((tile) => !tile.self) ?? tiles[0];
    return tiles.map((tile) =>
      tile === large ? { ...tile, place: whole, role: 'main' } : { ...tile, place: floatPlace(width, height), role: 'float' },
    );
  }

  if (main && tiles.length > 1) {
    const { main: large, strip } = speakerPlaces(tiles.length - 1, width, height, gap);
    let next = 0;
    return tiles.map((tile) => (tile === main ? { ...tile, place: large, role: 'main' } : { ...tile, place: strip[next++] ?? null, role: 'strip' }));
  }

  // Alone on a phone one fills the screen, as in its camera app.
  if (tiles.length === 1 && height > width) return tiles.map((tile) => ({ ...tile, place: whole, role: 'grid' }));

  const places = gridPlaces(tiles.length, width, height, gap);
  return tiles.map((tile, index) => ({ ...tile, place: places[index] ?? null, role: 'grid' }));
}
