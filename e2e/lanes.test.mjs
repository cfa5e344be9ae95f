/**
 * Lanes, reliable messages and processors on real daemons, through the command line, the configuration
 * and the SDK: ATL and LAX joined by way of two nodes between, of which one is killed.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { scratch, until } from './support/bounded.mjs';
import { found } from './support/founded.mjs';
import { overlane, overlaneJson, startLab } from './support/overlane.mjs';

const bounded = { timeout: 120_000 };

/** A flow in two disjoint paths is shown with its graph, its copies and the duplicates it cost. */
async function redundant(cluster) {
  const atl = cluster.node('ATL').handle;
  const lax = cluster.node('LAX').handle;
  const inbox = await lax.datagram({ port: 8 });
  const sender = await atl.datagram({ lane: 'monitoring', to: 'LAX' });
  let heard = 0;
  inbox.on('message', ({ lane }) => {
    assert.equal(lane, 'monitoring');
    heard++;
  });
  const row = async (node, from) => {
    const { flows } = await node.status();
    return flows.find(({ source, lane }) => source === from && lane === 'monitoring');
  };
  await until('both paths are used', async () => {
    sender.send('a reading', { to: 'LAX:8' });
    const own = await row(atl, 'ATL');
    return own?.graph?.links.length === 4 && own.packets > 20 && own.copies > 1.5 * own.packets;
  });
  const own = await row(atl, 'ATL');
  assert.equal(own.route, 'graph');
  assert.deepEqual([...own.graph.links].sort(), ['ATL-DEN', 'ATL-DFW', 'DEN-LAX', 'DFW-LAX']);
  await until('they arrive once, and a copy of each', async () => {
    const far = await row(lax, 'ATL');
    return heard > 20 && far.duplicates > 10;
  });
  await sender.close();
  await inbox.close();
}

/** A rate that has no room on the best way is reserved on the other, or refused with the link that could give most. */
async function roomElsewhere(cluster) {
  const atl = cluster.node('ATL').handle;
  const [dfw, den] = ['DFW', 'DEN'].map((name) => cluster.node(name).handle);
  const taken = await dfw.datagram({ to: 'LAX', rate: '80Mbit' });
  const sender = await atl.datagram({ to: 'LAX', rate: '30Mbit' });
  const { stdout } = await overlane(['why', 'LAX'], {
    env: { OVERLANE_STATE: join(cluster.directory, 'ATL'), OVERLANE_SOCKET: '' },
  });
  assert.match(stdout, /30 Mbit\/s reserved, held, on ATL-DEN, DEN-LAX/);
  assert.match(stdout, /DFW > LAX .* no room for its rate .* ago: 10Mbit left on DFW-LAX/);
  const more = await den.datagram({ to: 'LAX', rate: '55Mbit' });
  await assert.rejects(
    atl.datagram({ to: 'LAX', rate: '20Mbit' }),
    ({ code, message, details }) => {
      assert.deepEqual([code, details.link, details.ways], ['RATE_NOT_AVAILABLE', 'DFW-LAX', 2]);
      assert.match(
        message,
        /link DFW-LAX: 10Mbit of 100Mbit; a rate of 10Mbit can; none of 2 ways has more/,
      );
      return true;
    },
  );
  for (const socket of [taken, sender, more]) await socket.close();
}

/** A flood that is acknowledged end to end: the SDK waits for room, and every message comes once. */
async function acknowledged(cluster, count) {
  const inbox = await cluster.node('LAX').handle.datagram({ port: 11, receiveQueueMax: 4_096 });
  const lane = { routing: 'flood', recovery: 'fair-reliable', to: 'LAX' };
  const sender = await cluster.node('ATL').handle.datagram(lane);
  const heard = [];
  inbox.on('message', ({ payload }) => heard.push(Buffer.from(payload).readUInt32BE()));
  for (let n = 0; n < count; n++) {
    const payload = Buffer.alloc(1_000);
    payload.writeUInt32BE(n);
    if (!sender.send(payload, { to: 'LAX:11' })) await once(sender, 'drain');
    if (n % 10 === 9) await new Promise(setImmediate);
  }
  await until('every flooded message has come', () => heard.length >= count);
  assert.equal(new Set(heard).size, heard.length, 'each once');
  await sender.close();
  await inbox.close();
}

describe('lanes on daemons', () => {
  test('pipe, forward, ping, the SDK and the config ask for one by name', bounded, async (t) => {
    const lanes = [{ name: 'telemetry', number: 20, extends: 'monitoring', routing: 'best' }];
    const { founder, daemons } = await found(t, ['ATL', 'LAX'], {
      ATL: { lanes, linkCapacity: '10Mbit' },
      LAX: { lanes },
    });
    await until('ATL reaches LAX', async () => {
      const { routes } = await founder.handle.status();
      return routes.some(({ destination, path }) => destination === 'LAX' && path.length > 0);
    });
    const env = { OVERLANE_STATE: founder.state, OVERLANE_CONFIG: founder.configFile };
    const inbox = await daemons.LAX.handle.datagram({ port: 7001 });
    const lines = inbox[Symbol.asyncIterator]();
    const next = async () => {
      const { value } = await lines.next();
      return [Buffer.from(value.payload).toString().trim(), value.lane];
    };

    const piped = await overlane(['pipe', '--datagram', '--lane', 'video', 'LAX:7001'], {
      env,
      input: 'a picture\n',
    });
    assert.equal(piped.code, 0, piped.stderr);
    assert.deepEqual(await next(), ['a picture', 'video']);

    const words = ['forward', 'add', 'udp', '0', 'LAX:7001', '--lane', 'telemetry'];
    const forward = await overlaneJson(words, { env });
    assert.deepEqual([forward.lane, forward.flow], ['telemetry', { lane: 'telemetry' }]);
    const udp = createSocket('udp4');
    t.after(() => udp.close());
    const port = Number(forward.listen.split(':')[1]);
    udp.send('a reading', port, '127.0.0.1');
    assert.deepEqual(await next(), ['a reading', 'telemetry']);

    const socket = await founder.handle.datagram({ lane: 'voice', to: 'LAX' });
    await socket.deliver('a word', { to: 'LAX:7001' });
    assert.deepEqual(await next(), ['a word', 'voice']);

    const reserving = { lane: 'video', to: 'LAX', rate: '8Mbit' };
    const video = await founder.handle.datagram(reserving);
    await assert.rejects(founder.handle.datagram(reserving), ({ code, details }) => {
      assert.deepEqual([code, details.available], ['RATE_NOT_AVAILABLE', 1e6]);
      return true;
    });
    const short = await overlane(['pipe', '--datagram', '--rate', '3Mbit', 'LAX:7001'], { env });
    assert.match(
      short.stderr,
      /RATE_NOT_AVAILABLE.*link ATL-LAX: 1Mbit of 10Mbit; a rate of 1Mbit can/,
    );
    await video.close();
    await until('the rate is free again', async () => {
      const again = await founder.handle.datagram(reserving).catch(() => undefined);
      await again?.close();
      return again !== undefined;
    });

    // The same through the SDK: what cannot be, the reason, and the nearest that can.
    const { handle } = founder;
    for (const [choice, code, words] of [
      [{ lane: 'vidoe' }, 'UNKNOWN_LANE', /did you mean "video"/],
      [{ deadline: '1us' }, 'LANE_CANNOT_HOLD', /takes .* at least; lane "remote" \(65ms\) can/],
      [{ deadline: '7s' }, 'BAD_ARGUMENT', /at most 6.5s/],
      [{ to: 'LAXX' }, 'UNKNOWN_DESTINATION', /did you mean "LAX"/],
      [{ requests: 16 }, 'BAD_ARGUMENT', /0 to 15/],
      [{ retransmissions: -1 }, 'BAD_ARGUMENT', /0 to 15/],
      [{ routing: { disjoint: 9 } }, 'BAD_ARGUMENT', /1 to 8/],
      [{ rate: '8mbit' }, 'BAD_ARGUMENT', /such as "8Mbit"/],
      [
        { rate: '50Mbit' },
        'RATE_NOT_AVAILABLE',
        /link ATL-LAX: 9Mbit of 10Mbit; a rate of 9Mbit can/,
      ],
      [{ lane: 'bulk', rate: '1Mbit' }, 'BAD_ARGUMENT', /lane "video" can have one/],
      [{ routing: 'flood', rate: '1Mbit' }, 'BAD_ARGUMENT', /no way of its own/],
    ])
      await assert.rejects(handle.datagram({ to: 'LAX', ...choice }), (error) => {
        assert.equal(error.code, code);
        assert.match(error.message, words);
        return true;
      });
    const wide = await handle.checkLane({ routing: { disjoint: 3 } }, { to: 'LAX' });
    assert.match(wide.shortfall, /^1 of 3 node-disjoint paths exist: packets take that one/);

    const { lanes: known } = await overlaneJson(['lanes', 'LAX'], { env });
    assert.ok(known.some(({ name, number }) => name === 'telemetry' && number === 20));
    for (const [wrong, code, hint] of [
      [['--lane', 'telemetri'], 'UNKNOWN_LANE', 'did you mean "telemetry"'],
      [['--deadline', '1us'], 'LANE_CANNOT_HOLD', 'lane "remote" \\(65ms\\) can'],
      [['--priority', '16'], '', '0 to 15'],
    ]) {
      const { code: exit, stderr } = await overlane(['ping', 'LAX', '-c', '1', ...wrong], { env });
      assert.notEqual(exit, 0);
      assert.match(stderr, new RegExp(code));
      assert.match(stderr, new RegExp(hint));
    }
  });

  test(
    'rates are reserved on every link of the way, and kept beside greedy flows',
    bounded,
    async (t) => {
      const names = ['DFW', 'ATL', 'LAX'];
      const config = { linkCapacity: '10Mbit', reservations: { perMember: '70%' } };
      const configs = Object.fromEntries(names.map((name) => [name, config]));
      const { founder: middle, daemons } = await found(t, names, configs);
      const [atl, lax] = [daemons.ATL, daemons.LAX];
      await until('ATL reaches LAX by DFW', async () => {
        const { routes } = await atl.handle.status();
        return routes.some(({ destination, path }) => destination === 'LAX' && path.length === 2);
      });
      const inbox = await lax.handle.datagram({ port: 7001 });
      let heard = 0;
      inbox.on('message', ({ payload }) => {
        if (payload.length === 1_000) heard++;
      });
      const first = await atl.handle.datagram({ to: 'LAX', rate: '4Mbit' });
      const second = await atl.handle.datagram({ to: 'LAX', rate: '2Mbit' });
      const env = { OVERLANE_STATE: atl.state, OVERLANE_CONFIG: atl.configFile };
      const third = await overlane(['pipe', '--datagram', '--rate', '3Mbit', 'LAX:7001'], { env });
      assert.match(
        third.stderr,
        /RATE_NOT_AVAILABLE.*link DFW-LAX: 1Mbit of 10Mbit; a rate of 1Mbit can/,
      );
      const { bandwidth, reserved } = await middle.handle.status();
      const onward = bandwidth.find(({ neighbour }) => neighbour === 'LAX');
      assert.deepEqual([onward.capacityFrom, onward.reservedBitsPerSecond], ['stated', 6e6]);
      assert.deepEqual(new Set(reserved.map(({ member }) => member)), new Set(['ATL']));
      const { stdout } = await overlane(['status'], { env });
      assert.match(stdout, /RESERVATIONS[\s\S]*LAX +4 Mbit\/s +held +ATL-DFW, DFW-LAX/);

      const why = await overlane(['why', 'LAX'], { env });
      assert.match(why.stdout, / 4 Mbit\/s reserved, held, on ATL-DFW, DFW-LAX/);
      const own = await atl.handle.flows();
      assert.deepEqual(
        own.map(({ reservation: { bitsPerSecond, state } }) => [bitsPerSecond, state]),
        [
          [4e6, 'held'],
          [2e6, 'held'],
        ],
      );
      const shown = await overlane(['link', 'show', 'LAX'], {
        env: { OVERLANE_STATE: middle.state, OVERLANE_CONFIG: middle.configFile },
      });
      assert.match(
        shown.stdout,
        /LAX +10 Mbit\/s +stated .* 6 Mbit\/s +3 Mbit\/s/,
        'reserved, free',
      );
      assert.match(shown.stdout, /REFUSED\n[\s\S]* LAX +10 Mbit\/s +stated .* 1\n/);
      assert.match(shown.stdout, /RESERVED\n.*\n +LAX +ATL +4 Mbit\/s\n +LAX +ATL +2 Mbit\/s/);

      // The greedy: another member, and the same one, each with more than the link carries.
      const greedy = [await middle.handle.datagram(), await atl.handle.datagram()];
      const flood = setInterval(() => {
        for (const socket of greedy)
          for (let i = 0; i < 40; i++) socket.send(new Uint8Array(1_200), { to: 'LAX:7001' });
      }, 20);
      t.after(() => clearInterval(flood));
      await until('the link is full', async () => {
        const { counters } = await middle.handle.status();
        return (counters['forwarding.dropped.overload'] ?? 0) > 100;
      });
      let sent = 0;
      await new Promise((resolve) => {
        const timer = setInterval(() => {
          for (let i = 0; i < 6; i++, sent++) first.send(new Uint8Array(1_000), { to: 'LAX:7001' });
          if (sent < 600) return;
          clearInterval(timer);
          resolve();
        }, 20);
      });
      await until('all that was reserved for has come', () => heard >= 0.995 * sent);
      clearInterval(flood);
      const overloaded = await overlane(['link', 'show', 'LAX'], {
        env: { OVERLANE_STATE: middle.state, OVERLANE_CONFIG: middle.configFile },
      });
      assert.match(overloaded.stdout, /DROPPED +FOR/);
      const { stdout: metrics } = await overlane(['metrics'], {
        env: { OVERLANE_STATE: middle.state, OVERLANE_CONFIG: middle.configFile },
      });
      assert.match(
        metrics,
        /dropped_packets_total\{link="LAX",lane="default",reason="overload"\} \d{3,}\n/,
      );
      assert.match(overloaded.stdout, /DROPPED before the wire\n.*\n +LAX +default +\d{3,} +0 /);
      await second.close();
      await until('what is closed is free', async () => {
        const { reserved: left } = await middle.handle.status();
        return left.length === 1;
      });
    },
  );

  test(
    'a processor takes, merges and sends on, and its errors leave the daemon alone',
    bounded,
    async (t) => {
      const module = join(scratch(t, 'processor'), 'adder.mjs');
      writeFileSync(
        module,
        `let sum = 0;
       export const createProcessor = ({ options }) => ({
         message({ payload }) {
           const n = Number(new TextDecoder().decode(payload));
           if (Number.isNaN(n)) throw new TypeError('not a number');
           sum += n;
           return options.sign + sum;
         },
       });`,
      );
      const entry = { module, match: { port: 900 }, to: 'LAX:901', options: { sign: '=' } };
      const { founder, daemons } = await found(t, ['MID', 'LAX'], { MID: { processors: [entry] } });
      const inbox = await daemons.LAX.handle.datagram({ port: 901 });
      const sender = await daemons.LAX.handle.datagram();
      const running = async () => (await founder.handle.processors())[0]?.state === 'running';
      await until('the module runs', running);
      for (const said of ['1', '2', 'nonsense', '3']) await sender.deliver(said, { to: 'MID:900' });
      const heard = [];
      for await (const { payload } of inbox) {
        heard.push(Buffer.from(payload).toString());
        if (heard.length === 3) break;
      }
      assert.deepEqual(heard, ['=1', '=3', '=6']);
      const env = { OVERLANE_STATE: founder.state, OVERLANE_CONFIG: founder.configFile };
      const { processors } = await overlaneJson(['processors'], { env });
      assert.deepEqual(
        processors.map(({ received, sent, errors, dropped }) => [received, sent, errors, dropped]),
        [[4, 3, 1, { 'module-error': 1 }]],
      );
      assert.equal(await founder.counter('processors.errors'), 1);
    },
  );

  test('reliable messages outlive the kill of the node that forwards them', bounded, async (t) => {
    const link = (a, b, delayMs) => ({ a, b, impairments: { delayMs } });
    const names = ['ATL', 'DFW', 'DEN', 'LAX'];
    const cluster = await startLab(t, {
      nodes: names,
      links: [
        link('ATL', 'DFW', 5),
        link('DFW', 'LAX', 5),
        link('ATL', 'DEN', 15),
        link('DEN', 'LAX', 15),
      ],
      config: Object.fromEntries(names.map((name) => [name, { linkCapacity: '100Mbit' }])),
    });
    const atl = cluster.node('ATL').handle;
    await until('the way leads through DFW', async () => {
      const { route } = await atl.explain('LAX');
      return route?.path[0] === 'DFW';
    });
    const inbox = await cluster.node('LAX').handle.datagram({ port: 7, receiveQueueMax: 4_096 });
    const heard = new Map();
    inbox.on('message', ({ payload }) => {
      const n = Buffer.from(payload).readUInt32BE();
      heard.set(n, (heard.get(n) ?? 0) + 1);
    });
    await roomElsewhere(cluster);
    await redundant(cluster);
    const sender = await atl.datagram({ lane: 'bulk', to: 'LAX' });
    const COUNT = 600;
    const numbered = (n) => {
      const bytes = Buffer.alloc(100);
      bytes.writeUInt32BE(n);
      return bytes;
    };
    const flooded = acknowledged(cluster, 2_000);
    let isKilled = false;
    const outcomes = [];
    for (let n = 0; n < COUNT; n++) {
      if (n === 200) {
        isKilled = true;
        await cluster.kill('DFW');
      }
      outcomes.push(sender.deliver(numbered(n), { to: 'LAX:7' }));
      if (n % 20 === 19) await Promise.race([outcomes[n - 19], once(sender, 'drain')]);
    }
    await Promise.all(outcomes);
    await flooded;
    assert.ok(isKilled);
    const signed = await cluster.node('LAX').handle.status();
    assert.ok(signed.counters['forwarding.delivered.signed'] > 0);
    assert.equal(heard.size, COUNT);
    assert.ok(
      [...heard.values()].every((times) => times === 1),
      'each once',
    );
    assert.equal(sender.delivered, COUNT);
    const { route } = await atl.explain('LAX');
    assert.deepEqual(route.path, ['DEN', 'LAX']);
  });
});
