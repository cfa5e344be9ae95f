import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Instant, NodeAddress } from '../../kernel/index.ts';
import { Counters } from '../../kernel/index.ts';
import { LinkLedger } from './link-ledger.ts';

const [SELF, NEIGHBOUR, A, B] = [1, 2, 3, 4] as NodeAddress[] as [
  NodeAddress,
  NodeAddress,
  NodeAddress,
  NodeAddress,
];

function bench() {
  const link = { capacity: 4_000_000, isPending: false };
  const ledger = new LinkLedger({ self: SELF, counters: new Counters(), linkTo: () => link });
  const ask = (source: NodeAddress, rate: number, id = 1): string => {
    const request = { isRelease: false, flow: id, id, neighbour: NEIGHBOUR, rate };
    return ledger.request(source, request, 0 as Instant).verdict;
  };
  return { link, ledger, ask };
}

describe('what is reserved on a link', () => {
  it('is kept where its capacity is measured a little less, and is no more given to others', () => {
    const { link, ledger, ask } = bench();
    assert.equal(ask(A, 2_000_000), 'granted');
    assert.equal(ask(B, 1_600_000), 'granted');
    link.capacity = 3_900_000;
    assert.deepEqual([ask(A, 2_000_000), ask(B, 1_600_000)], ['granted', 'granted']);
    assert.equal(ask(B, 1_000, 2), 'no-room');
    assert.equal(ask(B, 1_700_000), 'no-room', 'more than was admitted is asked for anew');
    assert.equal(ledger.reserved(NEIGHBOUR), 2_000_000);
  });

  it('is the flow’s as it reserved last, also when what it reserved before is forgotten', () => {
    const { ledger, ask } = bench();
    const flow = { source: A, flow: 1 };
    const reserve = (id: number) => {
      const request = { isRelease: false, flow: 1, id, neighbour: NEIGHBOUR, rate: 1_000_000 };
      return ledger.request(A, request, 0 as Instant).verdict;
    };
    const conforms = () => ledger.conforms(NEIGHBOUR, flow, 1_000, 1_000_000 as Instant);
    assert.deepEqual([ask(A, 1_000_000), reserve(2)], ['granted', 'granted']);
    ledger.release(A, { id: 1, neighbour: NEIGHBOUR });
    assert.ok(conforms(), 'its release came late');
    ledger.release(A, { id: 2, neighbour: NEIGHBOUR });
    assert.ok(!conforms());
  });

  it('is kept by those admitted first where the link does not carry it all any more', () => {
    const { link, ask } = bench();
    assert.deepEqual([ask(A, 2_000_000), ask(B, 1_600_000)], ['granted', 'granted']);
    link.capacity = 3_000_000;
    assert.deepEqual([ask(B, 1_600_000), ask(A, 2_000_000)], ['no-room', 'granted']);
  });
});
