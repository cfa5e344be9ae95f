/** What waits to be read is bounded; who reads loses nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatagramInbox } from './datagram-inbox.ts';

const FROM = { node: 'ATL', port: 7 };
const some = (count: number): Uint8Array[] =>
  Array.from({ length: count }, () => new Uint8Array(1));

describe('datagram inbox', () => {
  it('gives a reader that waits all that comes at once, beyond the bound', async () => {
    const inbox = new DatagramInbox(100);
    const reader = inbox.batches();
    for (let round = 0; round < 3; round++) {
      const next = reader.next();
      for (let frame = 0; frame < 5; frame++) inbox.pushMany(some(60), FROM, 'default');
      const { value } = await next;
      assert.equal(value?.payloads.length, 300);
    }
    assert.equal(inbox.dropped, 0);
  });

  it('keeps the newest up to the bound while nobody reads', () => {
    const inbox = new DatagramInbox(100);
    inbox.pushMany(some(250), FROM, 'default');
    assert.equal(inbox.dropped, 150);
  });

  it('is bounded again once the reader has run, has gone, or is busy with what it took', async () => {
    const inbox = new DatagramInbox(100);
    const [gone, busy] = [inbox.batches(), inbox.batches()];
    const waiting = gone.next();
    await gone.return?.();
    await waiting;
    inbox.pushMany(some(110), FROM, 'default');
    assert.equal(inbox.dropped, 10);
    await busy.next();
    inbox.pushMany(some(110), FROM, 'default');
    assert.equal(inbox.dropped, 20);
  });
});
