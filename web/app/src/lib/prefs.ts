import { createStore, useStore } from './store.ts';

/** What the app remembers about this person on this device. */
export interface Prefs {
  name: string;
  camera: boolean;
  mic: boolean;
  cameraId: string;
  micId: string;
  speakerId: string;
  mirror: boolean;
  noiseSuppression: boolean;
  echoCancellation: boolean;
  autoGain: boolean;
  theme: 'system' | 'light' | 'dark';
  /** A language tag of the app, or `auto` for the browser's. */
  language: string;
  shortcuts: boolean;
}

const KEY = 'parlour.prefs';

export const DEFAULT_PREFS: Prefs = {
  name: '',
  camera: true,
  mic: true,
  cameraId: '',
  micId: '',
  speakerId: '',
  mirror: true,
  noiseSuppression: true,
  echoCancellation: true,
  autoGain: true,
  theme: 'system',
  language: 'auto',
  shortcuts: true,
};

/** Takes from `stored` what has the right type, and the default for the rest. */
export function mergePrefs(stored: unknown): Prefs {
  const merged: Prefs = { ...DEFAULT_PREFS };
  if (typeof stored !== 'object' || stored === null) return merged;
  const known = merged as unknown as Record<string, unknown>;
  for (const [key, value] of Object.entries(stored)) {
    if (key in known && typeof value === typeof known[key]) known[key] = value;
  }
  return merged;
}

/** Reads JSON from local storage; `null` when there is none, or storage is blocked. */
export function readStored(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

/** Writes JSON to local storage. Blocked or full storage is no reason to stop: then nothing is remembered. */
export function writeStored(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Nothing to do: the app works without a memory.
  }
}

const store = createStore<Prefs>(mergePrefs(readStored(KEY)));

/** The preferences now. */
export function getPrefs(): Prefs {
  return store.get();
}

/** Changes and remembers some preferences. */
export function setPrefs(change: Partial<Prefs>): void {
  store.set({ ...store.get(), ...change });
  writeStored(KEY, store.get());
}

/** The preferences, kept up to date. */
export function usePrefs(): Prefs {
  return useStore(store);
}

/** Puts the chosen theme on the page, now and whenever it changes. */
export function followTheme(): void {
  const apply = (): void => {
    const { theme } = store.get();
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
  };
  apply();
  store.subscribe(apply);
}
