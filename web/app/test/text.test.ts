import { describe, expect, it } from 'vitest';
import { formatBytes, formatDuration, initials } from '../src/lib/format.ts';
import { linkify } from '../src/lib/linkify.ts';
import { mergePrefs, DEFAULT_PREFS } from '../src/lib/prefs.ts';

describe('links in messages', () => {
  it('are found, without the punctuation around them', () => {
    expect(linkify('See https://a.example/x, or (www.b.example).')).toEqual([
      { text: 'See ' },
      { text: 'https://a.example/x', href: 'https://a.example/x' },
      { text: ', or (' },
      { text: 'www.b.example', href: 'https://www.b.example' },
      { text: ').' },
    ]);
  });

  it('keep a bracket that belongs to them', () => {
    expect(linkify('https://w.example/A_(b)')[0]?.href).toBe('https://w.example/A_(b)');
  });

  it('are never anything but web links', () => {
    for (const text of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc', 'mailto:a@b.example']) expect(linkify(text)).toEqual([{ text }]);
  });
});

describe('figures for people', () => {
  it('show bytes in decimal units', () => {
    expect([0, 999, 1_500, 64 * 1024 * 1024].map((bytes) => formatBytes(bytes, 'en'))).toEqual(['0 B', '999 B', '1.5 kB', '67.1 MB']);
  });

  it('show durations', () => {
    expect([4.4, 65, 3_725].map(formatDuration)).toEqual(['0:04', '1:05', '1:02:05']);
  });

  it('show initials, also of one word and of other scripts', () => {
    expect(['Ann Lee', 'ben', 'Åsa Maria Öberg', '山田 太郎', ''].map(initials)).toEqual(['AL', 'B', 'ÅÖ', '山太', '']);
  });
});

describe('stored preferences', () => {
  it('of a wrong type or an unknown name are left out', () => {
    expect(mergePrefs({ name: 'Ann', mic: 'yes', other: 1 })).toEqual({ ...DEFAULT_PREFS, name: 'Ann' });
    expect(mergePrefs('broken')).toEqual(DEFAULT_PREFS);
  });
});
