import { describe, expect, it } from 'vitest';
import { de as checkDe } from '../src/check/texts/de.ts';
import { en as checkEn } from '../src/check/texts/en.ts';
import { es as checkEs } from '../src/check/texts/es.ts';
import { fr as checkFr } from '../src/check/texts/fr.ts';
import { ptBR as checkPtBR } from '../src/check/texts/ptBR.ts';
import { de } from '../src/i18n/de.ts';
import { en } from '../src/i18n/en.ts';
import { es } from '../src/i18n/es.ts';
import { fr } from '../src/i18n/fr.ts';
import { type Dictionary, fill, pickLanguage, translator } from '../src/i18n/index.ts';
import { ptBR } from '../src/i18n/ptBR.ts';

const languages = { de, fr, es, ptBR };
const checkLanguages = { de: checkDe, fr: checkFr, es: checkEs, ptBR: checkPtBR };
const places = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

describe.each([
  ['the app', en as Dictionary, languages as Record<string, Record<string, string>>],
  ['the check page', checkEn as Record<string, string>, checkLanguages as Record<string, Record<string, string>>],
])('the texts of %s', (_, english, others) => {
  it.each(Object.keys(others))('are complete in %s, with the same places to fill in', (language) => {
    const texts = others[language] ?? {};
    expect(Object.keys(texts).sort()).toEqual(Object.keys(english).sort());
    for (const [key, text] of Object.entries(english)) {
      expect(texts[key], key).not.toBe('');
      expect(places(texts[key] ?? ''), key).toEqual(places(text));
    }
  });

  it.each(Object.keys(others))('are really translated into %s', (language) => {
    const texts = others[language] ?? {};
    const same = Object.entries(english).filter(([key, text]) => texts[key] === text && text.split(' ').length > 2);
    expect(same).toEqual([]);
  });

  it('have both forms for each number', () => {
    for (const key of Object.keys(english)) if (key.endsWith('.one')) expect(english).toHaveProperty([key.replace(/one$/, 'other')]);
  });
});

describe('translation', () => {
  it('takes the first language of the browser that the app has', () => {
    expect(pickLanguage(['pt-PT', 'en'])).toBe('pt-BR');
    expect(pickLanguage(['it', 'de-AT'])).toBe('de');
    expect(pickLanguage(['ja'])).toBe('en');
  });

  it('fills in values and leaves unknown places', () => {
    expect(fill('{a} and {b}', { a: 1 })).toBe('1 and {b}');
  });

  it('chooses the form for a number', () => {
    const t = translator('en', en);
    expect(t.n('people.count', 1)).toBe('1 person here');
    expect(t.n('people.count', 3)).toBe('3 people here');
  });
});
