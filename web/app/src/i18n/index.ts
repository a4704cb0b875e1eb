import { createStore, useStore } from '../lib/store.ts';
import { en, type Key } from './en.ts';

export type { Key };

/** All texts of a language. */
export type Dictionary = Record<Key, string>;

/** The languages of the app, by their tags, with their own names. English is always there; the others load when they are chosen. */
export const LANGUAGES = {
  en: 'English',
  de: 'Deutsch',
  fr: 'Français',
  es: 'Español',
  'pt-BR': 'Português (Brasil)',
} as const;

export type Language = keyof typeof LANGUAGES;

const LOADERS: Record<Exclude<Language, 'en'>, () => Promise<Dictionary>> = {
  de: async () => (await import('./de.ts')).de,
  fr: async () => (await import('./fr.ts')).fr,
  es: async () => (await import('./es.ts')).es,
  'pt-BR': async () => (await import('./ptBR.ts')).ptBR,
};

/** Values for the places in a text: `{name}`. */
export type Values = Record<string, string | number>;

/** Texts of the current language. */
export interface Translate {
  (key: Key, values?: Values): string;
  /** The text for `count` things: its key ends in `.one` or `.other`. `{n}` is the count. */
  n(key: PluralKey, count: number, values?: Values): string;
  language: Language;
}

type PluralKey = Key extends infer K ? (K extends `${infer Base}.other` ? Base : never) : never;

/** Fills `{name}` places of a text. */
export function fill(text: string, values?: Values): string {
  return values ? text.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place)) : text;
}

/** Makes the function that gives the texts of a dictionary. */
export function translator(language: Language, dictionary: Dictionary): Translate {
  const plural = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language);
  const t = (key: Key, values?: Values): string => fill(dictionary[key], values);
  const n = (key: PluralKey, count: number, values?: Values): string => {
    const form = plural.select(count) === 'one' ? 'one' : 'other';
    return fill(dictionary[`${key}.${form}` as Key], { n: number.format(count), ...values });
  };
  return Object.assign(t, { n, language });
}

const current = createStore<Translate>(translator('en', en));

/** The app's language that suits the browser's best. */
export function pickLanguage(wanted: readonly string[]): Language {
  const tags = Object.keys(LANGUAGES) as Language[];
  for (const tag of wanted) {
    const base = tag.toLowerCase().split('-')[0] ?? '';
    const match = tags.find((known) => known.toLowerCase().split('-')[0] === base);
    if (match) return match;
  }
  return 'en';
}

/** Loads and shows a language. `auto` is the browser's. If it cannot be loaded, the language stays as it is. */
export async function setLanguage(choice: string): Promise<void> {
  const language = choice in LANGUAGES ? (choice as Language) : pickLanguage(navigator.languages ?? [navigator.language]);
  try {
    const dictionary = language === 'en' ? en : await LOADERS[language]();
    document.documentElement.lang = language;
    current.set(translator(language, dictionary));
  } catch {
    // Offline, or a new version was put on the server: the texts that are there stay.
  }
}

/** The texts for a component; it is drawn again when the language changes. */
export function useT(): Translate {
  return useStore(current);
}
