/** A grid of equal tiles. Sizes are in CSS pixels. */
export interface Grid {
  columns: number;
  rows: number;
  tileWidth: number;
  tileHeight: number;
}

/** Pictures are 16:9. Where the space is upright, as on a phone, tiles may be this narrow or wide, so that faces fill it. */
const PICTURE = 16 / 9;
const UPRIGHT_NARROWEST = 4 / 5;
const UPRIGHT_WIDEST = 2;

/**
 * The grid that gives `count` tiles the most area in `width` × `height`.
 *
 * Of grids with nearly the same area the one with fewer empty places wins.
 */
export function bestGrid(count: number, width: number, height: number, gap: number): Grid {
  const tiles = Math.max(1, Math.floor(count));
  let best: Grid = { columns: 1, rows: tiles, tileWidth: 0, tileHeight: 0 };
  let bestScore = -1;
  for (let columns = 1; columns <= tiles; columns++) {
    const rows = Math.ceil(tiles / columns);
    const grid = fitTiles(columns, rows, width, height, gap);
    const score = grid.tileWidth * grid.tileHeight * (1 - 0.001 * (columns * rows - tiles));
    if (score > bestScore) {
      bestScore = score;
      best = grid;
    }
  }
  return best;
}

function fitTiles(columns: number, rows: number, width: number, height: number, gap: number): Grid {
  const upright = height > width;
  const widest = upright ? UPRIGHT_WIDEST : PICTURE;
  const narrowest = upright ? UPRIGHT_NARROWEST : PICTURE;
  const roomX = Math.max(0, (width - gap * (columns - 1)) / columns);
  const roomY = Math.max(0, (height - gap * (rows - 1)) / rows);
  const tileWidth = Math.min(roomX, roomY * widest);
  const tileHeight = Math.min(roomY, roomX / narrowest);
  return { columns, rows, tileWidth: Math.floor(tileWidth), tileHeight: Math.floor(tileHeight) };
}

/** A place for one tile, from the top left corner of the stage. */
export interface Place {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The places of `count` tiles in a grid, centred in `width` × `height`; a last row that is not full is centred too. */
export function gridPlaces(count: number, width: number, height: number, gap: number): Place[] {
  if (count === 0) return [];
  const grid = bestGrid(count, width, height, gap);
  const rows = Math.ceil(count / grid.columns);
  const top = Math.max(0, (height - (rows * grid.tileHeight + (rows - 1) * gap)) / 2);
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / grid.columns);
    const inRow = row === rows - 1 ? count - row * grid.columns : grid.columns;
    const left = Math.max(0, (width - (inRow * grid.tileWidth + (inRow - 1) * gap)) / 2);
    return {
      x: Math.round(left + (index % grid.columns) * (grid.tileWidth + gap)),
      y: Math.round(top + row * (grid.tileHeight + gap)),
      width: grid.tileWidth,
      height: grid.tileHeight,
    };
  });
}

/** One big place and a strip of small ones: beside it where the space is wide, below it where it is tall. */
export function speakerPlaces(
  small: number,
  width: number,
  height: number,
  gap: number,
): { main: Place; strip: Place[]; hidden: number } {
  if (small === 0) return { main: { x: 0, y: 0, width, height }, strip: [], hidden: 0 };
  const beside = width >= height * 1.15;
  const length = beside ? height : width;
  const across = beside ? clamp(width * 0.2, 120, 280) : clamp(height * 0.2, 84, 160);
  const along = beside ? (across * 9) / 16 : across * 1.25;
  const fits = Math.max(1, Math.floor((length + gap) / (along + gap)));
  const shown = Math.min(small, fits);
  const start = (length - (shown * along + (shown - 1) * gap)) / 2;
  const strip = Array.from({ length: shown }, (_, index) => {
    const offset = Math.round(start + index * (along + gap));
    return beside
      ? { x: Math.round(width - across), y: offset, width: Math.round(across), height: Math.round(along) }
      : { x: offset, y: Math.round(height - across), width: Math.round(along), height: Math.round(across) };
  });
  const main = beside
    ? { x: 0, y: 0, width: Math.round(width - across - gap), height }
    : { x: 0, y: 0, width, height: Math.round(height - across - gap) };
  return { main, strip, hidden: small - shown };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
