/** Speed of the simulator on twelve nodes with faults, and three hundred drawn seeds. */
import { seconds } from '../../dist/kernel/index.js';
import * as sim from '../../dist/sim/index.js';
import { digits } from './measure.mjs';

const SIMULATED = 60;

export const name = 'simulator';
export const figure = 'simulator: 12 nodes, 60 s with faults; drawn seeds';
export const bar = '> 50 x real time; 300 seeds green';
export const reference = '-';

export async function run({ quick, log }) {
  // The first runs pay for compilation, which a swarm of seeds pays once.
  const speeds = [1, 2, 3, 4, 5, 6, 7].map(speedOfContinent).slice(2);
  const speed = speeds.sort((a, b) => a.times - b.times)[speeds.length >> 1];
  log(`${digits(speed.times)} x real time`);
  const seeds = quick ? 10 : 300;
  const failed = [];
  let events = 0;
  const began = performance.now();
  for (const outcome of sim.swarm({ firstSeed: 1, seeds })) {
    events += outcome.eventsRun;
    if (outcome.violations.length > 0) failed.push(outcome.seed);
  }
  const took = (performance.now() - began) / 1_000;
  log(`${seeds} seeds in ${Math.round(took)} s, failed: ${failed.join(', ') || 'none'}`);
  return {
    measured: `${digits(speed.times)} x real time; ${seeds - failed.length} of ${seeds} seeds green`,
    holds: speed.times > 50 && failed.length === 0 && seeds >= 300,
    how:
      `Twelve cities and 32 links, a drawn fault every 3 s, all checkers watching: ${digits(speed.seconds)} s for 60, median of ${speeds.length} seeds. ` +
      `Each seed is run twice and must give the same trace; ${digits(events / 1e6)} million events in ${Math.round(took)} s.` +
      (failed.length > 0 ? ` Failed: ${failed.join(', ')}.` : ''),
    values: { times: speed.times, failed },
  };
}

function speedOfContinent(seed) {
  const testbed = new sim.Testbed({ seed, topology: sim.continentTopology() });
  const phase = seconds(SIMULATED);
  const faults = sim.drawFaults(testbed.random.split('faults'), {
    topology: testbed.topology,
    phase,
    count: SIMULATED / 3,
  });
  testbed.start();
  testbed.schedule(faults);
  const began = performance.now();
  testbed.run(phase);
  const took = (performance.now() - began) / 1_000;
  testbed.assertSound();
  return { seconds: took, times: SIMULATED / took };
}
