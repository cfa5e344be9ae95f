/**
 * What becomes of a node that is offered more than it can carry: its links, its routes, and the voice
 * that passes it. A daemon on a processor of its own; the flood, and apart from it the voice, come from real
 * nodes on the other processor, those of the voice scheduled in front.
 */
import { startEnds, withDaemon } from '../packet-path/forwarding.mjs';
import { digits } from './measure.mjs';

/**
 * At a rate that no source can make. Each packet goes on to two neighbours, who do not open it: so the daemon has to do
 * some three times as much for a packet as the source on the other processor.
 */
const COPIES = 2;
const FLOOD = {
  bytes: 1_200,
  burst: 64,
  rate: 5_000_000,
  isFlood: true,
  isGraph: true,
  service: { recovery: 0, priority: 4, requests: 0, retransmissions: 0, deadline: 0 },
};
/** 64 kbit/s in packets of 20 ms. Without repairs: what is lost is seen. */
const VOICE = {
  bytes: 260,
  rate: 50,
  service: { recovery: 0, priority: 12, requests: 0, retransmissions: 0, deadline: 0 },
};
const ADDED_MS_MAX = 5;

export const saturatedNode = {
  name: 'saturated-node',
  figure: 'a daemon offered more than its processor carries, with voice beside it',
  bar: 'no link goes down, no route changes, control and voice lose nothing, drops counted by lane; voice p99 < 5 ms above idle',
  reference: 'none published; before shedding by lane links flapped',
  async run({ quick, log }) {
    const seconds = quick ? 5 : 60;
    const around = { underlay: 'fast', destinations: COPIES, isDeaf: true };
    return withDaemon(around, async ({ run, daemon, network }) => {
      const others = startEnds({ isUrgent: true });
      try {
        const way = { underlay: 'fast', enter: daemon, leave: daemon };
        await others.join(network, way, 'V');
        const voice = (measureMs) => others.ask({ run: { ...VOICE, pid: daemon.pid, measureMs } });
        const calm = await voice(quick ? 2_000 : 10_000);
        const events = watchEvents(daemon.handle);
        const before = (await daemon.handle.status()).counters;
        const at = { warmMs: 500, measureMs: 1_000 * seconds, pid: daemon.pid };
        const [flood, busy] = await Promise.all([run({ ...FLOOD, ...at }), voice(1_000 * seconds)]);
        const after = (await daemon.handle.status()).counters;
        await events.stop();
        const shed = difference(after, before);
        const carried = (shed['forwarding.packets-forwarded'] - busy.sent) / COPIES;
        const figures = { calm, busy, sent: flood.sent, carried, shed, events: events.seen };
        log(JSON.stringify(figures));
        return verdict(figures, seconds);
      } finally {
        others.stop();
      }
    });
  },
};

function verdict({ calm, busy, sent, carried, shed, events }, seconds) {
  const times = sent / carried;
  const added = busy.p99 - calm.p99;
  const bad = events.filter(({ kind }) => kind === 'link-down' || kind === 'route-changed');
  const dropped = Object.entries(shed).filter(
    ([name, count]) => /shed|overflow/.test(name) && count > 0,
  );
  // What the system drops in front of the buffer for the rest is the flood: control and voice have one of their own.
  const isControlIntact =
    (shed['link.shed.control'] ?? 0) === 0 && (shed['underlay.receive-overflow-urgent'] ?? 0) === 0;
  return {
    measured:
      `offered ${digits(times)} x what it carried: ${bad.length} links down or routes changed, voice lost ${busy.lost} of ` +
      `${busy.offered}, p99 ${digits(busy.p99)} ms (${digits(calm.p99)} idle)`,
    holds: bad.length === 0 && busy.lost === 0 && isControlIntact && added < ADDED_MS_MAX,
    how:
      `About ${seconds} s; ${digits(sent / 1e6)} million packets of 1200 B offered in runs in the default lane, each to go on to two neighbours; ` +
      `${digits(carried / 1e6)} million carried. Dropped: ${dropped.map(([name, count]) => `${name} ${count}`).join(', ') || 'nothing'}. Source and voice share the other processor, the voice first.`,
    values: { calm, busy, sent, carried, shed, events: bad },
  };
}

/** Keeps what a daemon tells. */
function watchEvents(handle) {
  const stop = new AbortController();
  const seen = [];
  const watching = (async () => {
    for await (const event of handle.watch('events', { signal: stop.signal }))
      if (event.kind !== 'snapshot') seen.push(event);
  })();
  return {
    seen,
    stop: () => {
      stop.abort();
      return watching.catch(() => undefined);
    },
  };
}

const difference = (after, before) =>
  Object.fromEntries(
    Object.entries(after)
      .map(([name, count]) => [name, count - (before[name] ?? 0)])
      .filter(([, count]) => count !== 0),
  );
