import assert from 'node:assert/strict';
import test from 'node:test';
import { CITIES, CITY_LINKS, type City, TRANSCONTINENTAL_FLOWS } from './continent.ts';

const city = (name: string): City => {
  const found = CITIES.find((c) => c.name === name);
  assert.ok(found, name);
  return found;
};

test('the continent has twelve cities, 32 distinct links and 16 transcontinental flows', () => {
  assert.equal(CITIES.length, 12);
  const pairs = new Set(CITY_LINKS.map(({ a, b }) => [a, b].sort().join('-')));
  assert.equal(pairs.size, 32);
  assert.equal(CITY_LINKS.length, 32);
  assert.equal(TRANSCONTINENTAL_FLOWS.length, 16);
});

test('every link latency is great-circle distance at 200 km/ms times 1.5', () => {
  const radians = Math.PI / 180;
  for (const { a, b, latencyMilliseconds } of CITY_LINKS) {
    const from = city(a);
    const to = city(b);
    const chord =
      Math.sin(((to.latitude - from.latitude) * radians) / 2) ** 2 +
      Math.cos(from.latitude * radians) *
        Math.cos(to.latitude * radians) *
        Math.sin(((to.longitude - from.longitude) * radians) / 2) ** 2;
    const kilometres = 2 * 6371 * Math.asin(Math.sqrt(chord));
    const expected = Math.max((kilometres / 200) * 1.5, 0.5);
    assert.ok(
      Math.abs(latencyMilliseconds - expected) < 0.15,
      `${a}-${b} ${latencyMilliseconds} ${expected}`,
    );
  }
});
