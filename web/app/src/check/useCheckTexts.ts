import { useEffect, useState } from 'react';
import { fill, type Language, useT, type Values } from '../i18n/index.ts';
import { type CheckKey, en } from './texts/en.ts';

const LOADERS: Record<Exclude<Language, 'en'>, () => Promise<Record<CheckKey, string>>> = {
  de: async () => (await import('./texts/de.ts')).de,
  fr: async () => (await import('./texts/fr.ts')).fr,
  es: async () => (await import('./texts/es.ts')).es,
  'pt-BR': async () => (await import('./texts/ptBR.ts')).ptBR,
};

/** The texts of the check page, in the app's language; English until they are there. */
export function useCheckTexts(): (key: CheckKey, values?: Values) => string {
  const { language } = useT();
  const [texts, setTexts] = useState<Record<CheckKey, string>>(en);
  useEffect(() => {
    let stale = false;
    const load = language === 'en' ? Promise.resolve(en) : LOADERS[language]();
    load.then(
      (loaded) => stale || setTexts(loaded),
      () => undefined,
    );
    return () => {
      stale = true;
    };
  }, [language]);
  return (key, values) => fill(texts[key], values);
}
