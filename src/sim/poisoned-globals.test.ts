import assert from 'node:assert/strict';
import { test } from 'node:test';

/** What a pure room must not touch, made to throw while `run` runs. */
export function withoutAmbientGlobals<T>(run: () => T): T {
  const poisoned: [object, string][] = [
    [Date, 'now'],
    [Math, 'random'],
    [performance, 'now'],
    [globalThis, 'setTimeout'],
    [globalThis, 'setInterval'],
    [globalThis, 'setImmediate'],
    [globalThis, 'queueMicrotask'],
    [globalThis.crypto, 'getRandomValues'],
  ];
  const kept = poisoned.map(([owner, key]) => Object.getOwnPropertyDescriptor(owner, key));
  for (const [owner, key] of poisoned) {
    const value = (): never => {
      throw new Error(`${key} was called in a simulation`);
    };
    Object.defineProperty(owner, key, { configurable: true, writable: true, value });
  }
  try {
    return run();
  } finally {
    poisoned.forEach(([owner, key], i) => {
      const before = kept[i];
      if (before === undefined) Reflect.deleteProperty(owner, key);
      else Object.defineProperty(owner, key, before);
    });
  }
}

test('what a pure room must not touch throws while it is poisoned, and works again behind', () => {
  assert.throws(() => withoutAmbientGlobals(() => Date.now()), /now was called in a simulation/);
  assert.throws(() => withoutAmbientGlobals(() => Math.random()), /random was called/);
  assert.equal(typeof Date.now(), 'number');
});
