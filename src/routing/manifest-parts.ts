/**
 * The manifest as flooded records: cut into parts that fit a packet, each `part count (1), bytes`.
 * Only the whole is signed, so parts wait, per neighbour they came from, until the whole can be
 * judged; a neighbour that sends false parts spoils nobody's but its own.
 */
import type { NodeAddress } from '../kernel/index.ts';
import { concatBytes } from '../kernel/index.ts';
import type { FloodFrame } from '../wire/index.ts';
import { compareVersions, RECORD_BODY_BYTES_MAX, RECORD_MANIFEST } from '../wire/index.ts';

const PART_BYTES_MAX = RECORD_BODY_BYTES_MAX - 1;
const NETWORK_WIDE = 0 as NodeAddress;

export function manifestRecords(version: number, manifest: Uint8Array): FloodFrame[] {
  const count = Math.max(1, Math.ceil(manifest.length / PART_BYTES_MAX));
  const records: FloodFrame[] = [];
  for (let part = 0; part < count; part++) {
    const slice = manifest.subarray(part * PART_BYTES_MAX, (part + 1) * PART_BYTES_MAX);
    records.push({
      type: RECORD_MANIFEST,
      part,
      origin: NETWORK_WIDE,
      epoch: Math.floor(version / 0x1_0000_0000),
      sequence: version % 0x1_0000_0000,
      age: 0,
      body: concatBytes(Uint8Array.of(count), slice),
    });
  }
  return records;
}

interface Assembly {
  readonly epoch: number;
  readonly sequence: number;
  readonly count: number;
  readonly parts: Map<number, Uint8Array>;
}

export class ManifestAssembler {
  private readonly assemblies = new Map<NodeAddress, Assembly>();
  private readonly partsMax: number;

  constructor(partsMax: number) {
    this.partsMax = partsMax;
  }

  /**
   * Adds a part. Returns the whole when it is complete, which ends the assembly. `held` gives parts
   * of the same version that this node has: a neighbour does not send again what is equal.
   */
  add(
    record: FloodFrame,
    from: NodeAddress,
    held: (part: number) => Uint8Array | undefined,
  ): Uint8Array | 'incomplete' | 'malformed' {
    const count = record.body[0] ?? 0;
    const isSound =
      record.origin === NETWORK_WIDE &&
      count >= 1 &&
      count <= this.partsMax &&
      record.part < count &&
      record.body.length > 1;
    if (!isSound) return 'malformed';
    let assembly = this.assemblies.get(from);
    if (assembly === undefined || compareVersions(record, assembly) > 0) {
      const { epoch, sequence } = record;
      assembly = { epoch, sequence, count, parts: new Map() };
      this.assemblies.set(from, assembly);
    }
    if (compareVersions(record, assembly) < 0) return 'incomplete';
    if (count !== assembly.count) return 'malformed';
    assembly.parts.set(record.part, record.body.subarray(1));
    const whole: Uint8Array[] = [];
    for (let part = 0; part < count; part++) {
      const bytes = assembly.parts.get(part) ?? held(part)?.subarray(1);
      if (bytes === undefined) return 'incomplete';
      whole.push(bytes);
    }
    this.assemblies.delete(from);
    return concatBytes(...whole);
  }

  /** Forgets what a neighbour had begun to send. */
  forget(from: NodeAddress): void {
    this.assemblies.delete(from);
  }
}
