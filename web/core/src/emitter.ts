import type { Unsubscribe } from './types.ts';

/** Typed listeners. A listener that throws does not disturb the others: its error is reported like any uncaught one. */
export class Emitter<Events> {
  #listeners: { [K in keyof Events]?: Set<(event: Events[K]) => void> } = {};
  #any = new Set<(type: keyof Events, event: Events[keyof Events]) => void>();

  on<K extends keyof Events>(name: K, listener: (event: Events[K]) => void): Unsubscribe {
    const set = (this.#listeners[name] ??= new Set());
    set.add(listener);
    return () => set.delete(listener);
  }

  onAny(listener: (type: keyof Events, event: Events[keyof Events]) => void): Unsubscribe {
    this.#any.add(listener);
    return () => this.#any.delete(listener);
  }

  emit<K extends keyof Events>(name: K, event: Events[K]): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) call(() => listener(event));
    for (const listener of [...this.#any]) call(() => listener(name, event));
  }
}

/** Runs a piece of the application's code; what it throws goes where uncaught errors go. */
export function call(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
