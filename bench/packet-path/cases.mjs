/**
 * What is measured of one forwarding daemon, and the bars. Bulk: the source sends in bursts, so that
 * packets arrive in runs where the underlay knows such; single: each is sent by itself.
 */
const BULK = { burst: 64, window: 512 };
const SINGLE = { burst: 1, window: 256 };

/** `bar`: microseconds of processor time a packet; `ratio`: to another case of the same run. */
export const FORWARDING = [
  { name: 'bulk 1200 B', bytes: 1_200, ...BULK, bar: { fast: 2.8, portable: 32 } },
  { name: 'bulk 100 B', bytes: 100, ...BULK, bar: { fast: 2 } },
  { name: 'single 1200 B', bytes: 1_200, ...SINGLE, bar: { fast: 7 } },
  { name: 'single 100 B', bytes: 100, ...SINGLE, bar: { fast: 7 } },
  {
    name: '256 flows, 64 neighbours, 1200 B',
    bytes: 1_200,
    ...BULK,
    // 32 packets on their way for each neighbour: a sixteenth of what the one has above.
    burst: 256,
    window: 2_048,
    flows: 256,
    destinations: 64,
    ratio: { to: 'bulk 1200 B', bar: 1.5 },
  },
  {
    name: 'to 16 neighbours, 1200 B, a copy',
    bytes: 1_200,
    burst: 64,
    window: 4_096,
    destinations: 16,
    isGraph: true,
    ratio: { to: 'bulk 1200 B', bar: 0.6 },
  },
];

export const ROUNDS = 5;
