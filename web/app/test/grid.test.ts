import { describe, expect, it } from 'vitest';
import { bestGrid, gridPlaces, type Place, speakerPlaces } from '../src/lib/grid.ts';

const SIZES: [number, number][] = [
  [344, 500],
  [744, 880],
  [1256, 566],
  [1896, 900],
];

const overlaps = (a: Place, b: Place): boolean => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

describe('the grid of tiles', () => {
  it('keeps every tile inside the stage, of one size, without overlap', () => {
    for (const [width, height] of SIZES) {
      for (let count = 1; count <= 25; count++) {
        const places = gridPlaces(count, width, height, 12);
        expect(places).toHaveLength(count);
        for (const place of places) {
          expect(place.x).toBeGreaterThanOrEqual(0);
          expect(place.y).toBeGreaterThanOrEqual(0);
          expect(place.x + place.width).toBeLessThanOrEqual(width + 1);
          expect(place.y + place.height).toBeLessThanOrEqual(height + 1);
          expect([place.width, place.height]).toEqual([places[0]?.width, places[0]?.height]);
        }
        places.forEach((a, i) => places.slice(i + 1).forEach((b) => expect(overlaps(a, b)).toBe(false)));
      }
    }
  });

  it('takes the number of columns that gives the most area', () => {
    for (const [width, height] of SIZES) {
      for (let count = 1; count <= 12; count++) {
        const best = bestGrid(count, width, height, 12);
        const areas = Array.from({ length: count }, (_, index) => {
          const columns = index + 1;
          const rows = Math.ceil(count / columns);
          const w = (width - 12 * (columns - 1)) / columns;
          const h = (height - 12 * (rows - 1)) / rows;
          const [narrowest, widest] = height > width ? [4 / 5, 2] : [16 / 9, 16 / 9];
          return Math.min(w, h * widest) * Math.min(h, w / narrowest);
        });
        expect(best.tileWidth * best.tileHeight).toBeGreaterThan(Math.max(...areas) * 0.97);
      }
    }
  });

  it('gives 16:9 tiles on a wide stage', () => {
    const { columns, tileWidth, tileHeight } = bestGrid(4, 1600, 900, 10);
    expect(columns).toBe(2);
    expect(tileWidth / tileHeight).toBeCloseTo(16 / 9, 1);
  });

  it('stacks two people on an upright phone', () => {
    expect(bestGrid(2, 344, 520, 8)).toMatchObject({ columns: 1, rows: 2 });
  });

  it('centres a last row that is not full', () => {
    const places = gridPlaces(3, 1000, 700, 0);
    expect(places[2]?.x).toBe(Math.round((1000 - (places[2]?.width ?? 0)) / 2));
  });

  it('has a place for nobody', () => {
    expect(gridPlaces(0, 100, 100, 8)).toEqual([]);
    expect(gridPlaces(3, 0, 0, 8).every((place) => place.width === 0)).toBe(true);
  });
});

describe('one large tile with a strip', () => {
  it('puts the strip beside it on a wide stage, below it on a tall one', () => {
    const wide = speakerPlaces(2, 1200, 600, 10);
    expect(wide.strip.every((place) => place.x >= wide.main.width)).toBe(true);
    const tall = speakerPlaces(2, 344, 560, 8);
    expect(tall.strip.every((place) => place.y >= tall.main.height)).toBe(true);
  });

  it('says how many do not fit', () => {
    const { strip, hidden } = speakerPlaces(40, 1200, 600, 10);
    expect(strip.length + hidden).toBe(40);
    expect(strip.every((place) => place.y >= 0 && place.y + place.height <= 600)).toBe(true);
  });
});
