/**
 * An emulated wide-area path for the kernel's own TCP, where the kernel has no netem: two network
 * namespaces with a TUN interface each, joined by two `DelayLine`s in this process.
 *
 *   namespace a: 10.211.0.1 --tun-- hop, hop, hop --tun-- 10.211.0.2 :namespace b
 *
 * Linux and root only: see `kernelPathProblem`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync } from 'node:fs';
import { Random } from '../../dist/kernel/index.js';
import { DelayLine } from './delay-line.mjs';
import { Tun } from './tun.mjs';

const MTU = 1_500;
let paths = 0;

/** Why no path can be made here, in words; undefined when one can. */
export function kernelPathProblem() {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid() !== 0) return 'needs root';
  try {
    accessSync('/dev/net/tun');
  } catch {
    return 'needs /dev/net/tun';
  }
  for (const [program, ...args] of [
    ['ip', '-V'],
    ['iperf3', '--version'],
  ])
    if (spawnSync(program, args).status !== 0) return `needs ${program} (Debian: iproute2 iperf3)`;
  return undefined;
}

/** `hops`: one set of `PathModel` impairments each, the same both ways. */
export async function openKernelPath({ hops, seed = 1 }) {
  const tag = `${process.pid}-${++paths}`;
  const random = new Random(seed);
  const ends = ['a', 'b'].map((side, i) => ({
    namespace: `overlane-${tag}-${side}`,
    device: `ovl${process.pid % 10_000}${side}${paths}`,
    address: `10.211.0.${i + 1}`,
    tun: undefined,
  }));
  const [a, b] = ends;
  const forth = new DelayLine({
    hops,
    random: random.split('forth'),
    deliver: (p) => b.tun.write(p),
  });
  const back = new DelayLine({
    hops,
    random: random.split('back'),
    deliver: (p) => a.tun.write(p),
  });
  try {
    for (const end of ends) {
      end.tun = await Tun.open(end.device, (p) => (end === a ? forth : back).enter(p));
      ip('netns', 'add', end.namespace);
      ip('link', 'set', end.device, 'netns', end.namespace);
      ip('-n', end.namespace, 'addr', 'add', `${end.address}/24`, 'dev', end.device);
      ip('-n', end.namespace, 'link', 'set', end.device, 'mtu', String(MTU), 'up');
      ip('-n', end.namespace, 'link', 'set', 'lo', 'up');
    }
  } catch (error) {
    await close();
    throw error;
  }

  async function close() {
    for (const line of [forth, back]) line.close();
    for (const { namespace, device, tun } of ends) {
      const remove = () => {
        spawnSync('ip', ['-n', namespace, 'link', 'del', device]);
        spawnSync('ip', ['link', 'del', device]);
        spawnSync('ip', ['netns', 'del', namespace]);
      };
      if (tun === undefined) remove();
      else await tun.close(remove);
    }
  }

  return {
    a,
    b,
    forth,
    back,
    close,
    /** Starts a program inside the namespace of `end`. */
    spawn: (end, program, args, options = {}) =>
      spawn('ip', ['netns', 'exec', end.namespace, program, ...args], options),
  };
}

function ip(...args) {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr.trim()}`);
}
