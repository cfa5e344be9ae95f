/**
 * A processor that mixes sound: every source sends frames of 16-bit samples, numbered in their first
 * four bytes; of each number one frame leaves with the sum of all sources, cut off at the bounds of a
 * sample. A frame waits for `options.sources` of them or for `options.waitMs`, whichever is first: a
 * source that is late is left out, the others are not held up.
 */
const NUMBER_BYTES = 4;
const FRAMES_MAX = 256;

export function createProcessor({ options, send }) {
  const sources = options?.sources ?? 2;
  const waitMs = options?.waitMs ?? 40;
  const frames = new Map();
  let newestSent = -1;

  const finish = (number) => {
    const frame = frames.get(number);
    if (frame === undefined) return;
    clearTimeout(frame.timer);
    frames.delete(number);
    newestSent = Math.max(newestSent, number);
    const out = new DataView(new ArrayBuffer(NUMBER_BYTES + 2 * frame.sum.length));
    out.setUint32(0, number);
    frame.sum.forEach((sample, i) => {
      out.setInt16(NUMBER_BYTES + 2 * i, Math.max(-32_768, Math.min(32_767, sample)));
    });
    send(new Uint8Array(out.buffer));
  };

  return {
    message({ payload, from }) {
      const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
      const number = view.getUint32(0);
      if (number <= newestSent) return;
      let frame = frames.get(number);
      if (frame === undefined) {
        if (frames.size >= FRAMES_MAX) finish(Math.min(...frames.keys()));
        const timer = setTimeout(() => finish(number), waitMs);
        frame = { sum: [], heard: new Set(), timer };
        frames.set(number, frame);
      }
      if (frame.heard.has(from)) return;
      frame.heard.add(from);
      const samples = (payload.byteLength - NUMBER_BYTES) >> 1;
      for (let i = 0; i < samples; i++)
        frame.sum[i] = (frame.sum[i] ?? 0) + view.getInt16(NUMBER_BYTES + 2 * i);
      if (frame.heard.size >= sources) finish(number);
    },
    stop() {
      for (const number of [...frames.keys()]) finish(number);
    },
  };
}
