/**
 * A live video across the continent: ffmpeg sends an MPEG transport stream over UDP through a
 * forward from ATL to LAX, while the route under it is cut, degraded and loses a daemon to
 * `kill -9`. Beside it runs a measured flow. What the receiver's continuity counters say must agree
 * with what that flow measured, and the video must decode again after each fault.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { CITIES } from '../dist/sim/index.js';
import { mustRun, needs, pause, scratch, start, until } from './support/bounded.mjs';
import { FaultDirector, SETTLE_MS } from './support/faults.mjs';
import { MachineWatch } from './support/machine.mjs';
import { isWithin, joined, MeasuredFlow } from './support/measured-flow.mjs';
import { startContinent, untilRouteIsGood } from './support/overlane.mjs';
import { TransportStreamRecorder } from './support/transport-stream.mjs';

const FILM_SECONDS = 120;
const FRAMES_A_GROUP = 12;
const PID_VIDEO = 0x100;
const OVERLAY_PORT = 5004;
const GAP_BAR_MS = 1_500;
/** A whole picture in front of a packet in a queue of 10 Mbit/s takes half of this to leave. */
const GAP_MIN_MS = 100;
const HOLD_MS = 6_000;
/** Far from the 30 % of the link that should have been left. */
const LOSS_LEFT = 0.02;
/**
 * Two flows are not hit at the same instant: packets of the video are 4 ms apart, those of the meter
 * 10 ms, and both are read by one busy process.
 */
const MARGIN_MS = 120;
/** Packets on a new and shorter route overtake those still on the old one for so long. */
const OVERTAKING_MS = 500;

/** Share of an act in which the machine could not keep up: more, and its pictures say nothing. */
const BUSY_TO_JUDGE = 0.5;

const quiet = ['-hide_banner', '-loglevel', 'error', '-nostdin'];

test('a video through a UDP forward lives through a cut, 30 % loss and a kill -9', {
  ...needs({ programs: ['ffmpeg', 'ffprobe'] }),
  timeout: 240_000,
}, async (t) => {
  const folder = scratch(t, 'video');
  const film = await makeFilm(join(folder, 'film.ts'));
  const recorder = new TransportStreamRecorder();
  const receiver = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  receiver.on('message', (datagram) => recorder.push(datagram, performance.now()));
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  t.after(() => receiver.close());

  const cluster = await startContinent(t);
  const machine = new MachineWatch();
  t.after(() => machine.stop());
  const to = `127.0.0.1:${receiver.address().port}`;
  const exposed = { protocol: 'udp', port: OVERLAY_PORT, to, from: 'any' };
  await cluster.node('LAX').handle.addExpose(exposed);
  const { listen } = await cluster.node('ATL').handle.addForward({
    protocol: 'udp',
    listen: '127.0.0.1:0',
    to: 'LAX',
    port: OVERLAY_PORT,
  });

  const flow = await MeasuredFlow.start(cluster, {
    from: 'ATL',
    to: 'LAX',
    port: 7,
    gapMinMs: GAP_MIN_MS,
  });
  t.after(() => flow.stop());
  const director = new FaultDirector(cluster, { from: 'ATL', to: 'LAX' });
  t.after(() => director.stop());
  director.watch(CITIES.map(({ name }) => name));
  const camera = stream(film, listen);
  t.after(() => camera.child.kill('SIGKILL'));
  await until('the video arrives', () => recorder.packets > 500);
  await until('the flow arrives', () => flow.received > 50);
  // What was on its way while the first sessions were made is no matter of rerouting.
  const beganMs = performance.now() + 500;
  await pause(3_000);
  await director.play({ holdMs: HOLD_MS });
  const healedMs = performance.now();
  await director.heal();
  await untilRouteIsGood(cluster);
  await pause(3_000);
  const endedMs = performance.now() - 1_000;
  camera.child.kill('SIGTERM');
  await camera.ended;

  const view = { recorder, flow, director, machine, beganMs, healedMs, endedMs };
  report(t, view);
  const busy = machine.busyShare(beganMs, endedMs);
  t.diagnostic(`the machine was busy ${Math.round(100 * busy)} % of the time`);
  checkStream(view);
  checkGaps(view);
  for (const act of director.acts) await checkDecoding(t, { ...view, act, folder });
  await checkWhole(t, { recorder, folder });
});

async function makeFilm(path) {
  const picture = ['-f', 'lavfi', '-i', 'testsrc=size=640x360:rate=25'];
  const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440'];
  const video =
    '-vf noise=alls=12:allf=t -c:v mpeg2video -b:v 2200k -maxrate 2200k -bufsize 1100k -sc_threshold 1000000000';
  const rest = `-g ${FRAMES_A_GROUP} -c:a mp2 -b:a 128k -t ${FILM_SECONDS} -f mpegts -muxrate 2800k -y`;
  const args = [...quiet, ...picture, ...sound, ...video.split(' '), ...rest.split(' '), path];
  await mustRun('ffmpeg', args, { timeoutMs: 90_000 });
  return path;
}

function stream(film, listen) {
  const to = `udp://${listen}?pkt_size=1316`;
  const copy = ['-c', 'copy', '-f', 'mpegts', '-muxrate', '2800k', to];
  return start('ffmpeg', [...quiet, '-re', '-i', film, ...copy]);
}

const ofVideo = (list) => list.filter(({ pid }) => pid === PID_VIDEO);
/** Errors noticed between the two times. */
const between = (list, fromMs, toMs) => list.filter((e) => e.toMs >= fromMs && e.toMs < toMs);

function windowsOf({ flow, director }) {
  const overtaking = director.routeChanges.map(({ atMs }) => ({
    fromMs: atMs - OVERTAKING_MS,
    toMs: atMs + OVERTAKING_MS,
  }));
  return { lossy: flow.disturbances(MARGIN_MS), overtaking: joined(overtaking) };
}

function report(t, view) {
  const { recorder, flow, director, beganMs, healedMs, endedMs } = view;
  const { continuityErrors } = recorder;
  const seconds = ((endedMs - beganMs) / 1_000).toFixed(1);
  t.diagnostic(
    `${seconds} s, ${recorder.packets} transport packets received, ${continuityErrors.length} continuity errors on all PIDs`,
  );
  for (const act of director.acts) {
    const gaps = flow.gapsBetween(act.fromMs, act.toMs).map((g) => Math.round(g.lengthMs));
    const { sent, lost } = flow.lossBetween(act.fromMs, act.toMs);
    const errors = between(continuityErrors, act.fromMs, act.toMs).length;
    t.diagnostic(
      `${act.title} (${act.where}): gaps ${gaps.join(', ') || 'none'} ms, flow lost ${lost} of ${sent}, continuity errors ${errors}, ${act.before.join('>')} to ${act.after.join('>')}`,
    );
  }
  const late = between(continuityErrors, healedMs, endedMs);
  t.diagnostic(`healing and the way back: continuity errors ${late.length}`);
}

/**
 * Every continuity error is explained by what the flow beside it measured, or fell into a time in which
 * the machine could not keep up: a program that sends late sends at once, and queues of links overflow.
 */
function checkStream(view) {
  const { recorder, machine, beganMs, endedMs } = view;
  const busy = machine.busy(OVERTAKING_MS);
  const { lossy, overtaking } = windowsOf(view);
  const errors = between(recorder.continuityErrors, beganMs, endedMs);
  assert.equal(recorder.malformed, 0, 'datagrams arrive whole');
  for (const error of errors) {
    const what = `PID ${error.pid} at ${Math.round(error.fromMs - beganMs)} ms`;
    const isExplained = [lossy, overtaking, busy].some((windows) => isWithin(windows, error));
    assert.ok(isExplained, `${what}: a continuity error where the flow beside it lost nothing`);
  }
  // The windows must not be so wide that they explain everything.
  const explained = joined([...lossy, ...overtaking]).reduce(
    (sum, w) => sum + w.toMs - w.fromMs,
    0,
  );
  assert.ok(explained < 0.5 * (endedMs - beganMs), `${explained} ms are called disturbed`);
}

/** What the flow waited for a processor is not the network's: neither in gaps nor in losses. */
function checkGaps({ flow, director, machine, beganMs, endedMs }) {
  for (const { fromMs, lengthMs } of flow.gapsBetween(beganMs, endedMs)) {
    const waitedMs = machine.waitedMs(fromMs, fromMs + lengthMs);
    assert.ok(lengthMs - waitedMs < GAP_BAR_MS, `a gap of ${lengthMs} ms, ${waitedMs} ms waited`);
  }
  const [cut, degraded, killed] = director.acts;
  for (const act of [cut, killed])
    assert.ok(flow.gapsBetween(act.fromMs, act.toMs).length > 0, `${act.title}: nothing was hit`);
  const { lost } = flow.lossBetween(degraded.fromMs, degraded.toMs);
  assert.ok(lost > 0, `${degraded.title}: nothing was hit`);
  const busy = machine.busy(MARGIN_MS);
  const after = flow.lossBetween(degraded.fromMs + SETTLE_MS, degraded.toMs, busy);
  assert.ok(after.lost <= LOSS_LEFT * after.sent, `${after.lost} of ${after.sent} lost after 3 s`);
}

/** After a fault: the longest stretch without an error has whole groups of pictures, every frame sound. */
async function checkDecoding(t, { recorder, machine, act, folder }) {
  const errors = between(recorder.continuityErrors, act.fromMs, act.toMs);
  const ends = errors.length === 0 ? [act.fromMs] : errors.map((e) => e.toMs);
  const stretches = ends.map((fromMs) => {
    const next = errors.find((e) => e.fromMs > fromMs);
    return { fromMs, toMs: next?.fromMs ?? act.toMs };
  });
  const clean = stretches.reduce((a, b) => (b.toMs - b.fromMs > a.toMs - a.fromMs ? b : a));
  const groups = ofVideo(recorder.entries).filter(
    (e) => e.atMs > clean.fromMs && e.atMs < clean.toMs,
  );
  if (groups.length <= 3 && machine.busyShare(act.fromMs, act.toMs) > BUSY_TO_JUDGE)
    return t.diagnostic(`${act.title}: the machine was too busy to tell what the network left`);
  assert.ok(groups.length > 3, `${act.title}: ${groups.length} groups of pictures after it`);
  const file = join(folder, `after-${act.fromMs}.ts`);
  writeFileSync(file, recorder.excerpt(groups[0].packet, groups.at(-1).packet));
  const { frames, complaints } = await countFrames(file);
  const wanted = FRAMES_A_GROUP * (groups.length - 1);
  const resumed = Math.round(groups[0].atMs - act.fromMs);
  t.diagnostic(
    `${act.title}: a decoder begins again after ${resumed} ms, then ${frames} of ${wanted} frames`,
  );
  assert.equal(complaints, '');
  assert.equal(frames, wanted);
}

async function checkWhole(t, { recorder, folder }) {
  const file = join(folder, 'received.ts');
  writeFileSync(file, recorder.recording());
  assert.ok(readFileSync(file).length === recorder.packets * 188);
  const { frames } = await countFrames(file);
  t.diagnostic(`ffprobe decodes ${frames} frames of the whole recording`);
  assert.ok(frames > 0);
}

async function countFrames(file) {
  const entries = [
    '-count_frames',
    '-select_streams',
    'v:0',
    '-show_entries',
    'stream=nb_read_frames',
  ];
  const args = ['-v', 'error', ...entries, '-of', 'json', file];
  const { stdout, stderr } = await mustRun('ffprobe', args, { timeoutMs: 60_000 });
  const frames = Number(JSON.parse(stdout).streams[0]?.nb_read_frames ?? 0);
  return { frames, complaints: stderr };
}
