type Listener<Arguments extends unknown[]> = (...values: Arguments) => void;

/** Listeners by the name of the event, with the methods that PeerJS's objects have. */
export class Events<Map extends { [K in keyof Map]: unknown[] }> {
  #listeners = new globalThis.Map<keyof Map, Set<Listener<never>>>();

  on<K extends keyof Map>(name: K, listener: Listener<Map[K]>): this {
    const known = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, known.add(listener as Listener<never>));
    return this;
  }

  once<K extends keyof Map>(name: K, listener: Listener<Map[K]>): this {
    const first: Listener<Map[K]> = (...values) => {
      this.off(name, first);
      listener(...values);
    };
    return this.on(name, first);
  }

  off<K extends keyof Map>(name: K, listener: Listener<Map[K]>): this {
    this.#listeners.get(name)?.delete(listener as Listener<never>);
    return this;
  }

  removeAllListeners(name?: keyof Map): this {
    if (name === undefined) this.#listeners.clear();
    else this.#listeners.delete(name);
    return this;
  }

  /** Calls the listeners. One that throws does not disturb the others. */
  emit<K extends keyof Map>(name: K, ...values: Map[K]): boolean {
    const known = [...(this.#listeners.get(name) ?? [])] as Listener<Map[K]>[];
    for (const listener of known) {
      try {
        listener(...values);
      } catch (error) {
        queueMicrotask(() => { throw error; });
      }
    }
    return known.length > 0;
  }
}
