/**
 * A processor that turns many readings into few: each message is a JSON reading `{ sensor, value }`;
 * once every `options.everyMs` one message leaves with the count, mean, least and greatest of what
 * came in since. Readings that are none are refused by throwing: counted as errors, and dropped.
 */
export function createProcessor({ options, send }) {
  const text = new TextDecoder();
  let window = empty();
  const flush = () => {
    if (window.count === 0) return;
    const { count, sum, least, greatest, sensors } = window;
    const mean = sum / count;
    send(JSON.stringify({ count, mean, least, greatest, sensors: sensors.size }));
    window = empty();
  };
  const timer = setInterval(flush, options?.everyMs ?? 1_000);
  return {
    message({ payload }) {
      const { sensor, value } = JSON.parse(text.decode(payload));
      if (typeof value !== 'number') throw new TypeError('a reading has a number');
      window.count++;
      window.sum += value;
      window.least = Math.min(window.least, value);
      window.greatest = Math.max(window.greatest, value);
      window.sensors.add(sensor);
    },
    stop() {
      clearInterval(timer);
      flush();
    },
  };
}

const empty = () => ({
  count: 0,
  sum: 0,
  least: Number.POSITIVE_INFINITY,
  greatest: Number.NEGATIVE_INFINITY,
  sensors: new Set(),
});
