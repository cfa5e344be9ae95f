import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Duration, NodeAddress } from '../kernel/index.ts';
import { milliseconds } from '../kernel/index.ts';
import {
  addFrameAge,
  frameAge,
  frameDeadline,
  frameDestination,
  frameLap,
  framePriority,
  frameRecovery,
  frameRequests,
  frameRetransmissions,
  writeFrameHop,
  writeFrameLap,
} from './data-frame.ts';
import type { DataHeader } from './data-packet.ts';
import {
  blankDataHeader,
  DATA_TIME_STEP,
  dataHeaderBytes,
  decodeDataHeader,
  encodeDataHeader,
} from './data-packet.ts';
import { NO_ROUTE, pathBlock } from './route-block.ts';

/** Where the frame begins in its slab. */
const AT = 5;
const PATH = pathBlock([3, 4, 5] as NodeAddress[]);
const steps = fc.nat(0xffff).map((n) => (n * DATA_TIME_STEP) as Duration);
const nibble = fc.nat(15);
const fields = fc.record({
  destination: fc.integer({ min: 1, max: 0xffff_ffff }).map((n) => n as NodeAddress),
  recovery: nibble,
  priority: nibble,
  requests: nibble,
  retransmissions: nibble,
  deadline: steps,
  age: steps,
  lap: fc.nat(255),
  hopLimit: fc.integer({ min: 1, max: 255 }),
  routeIndex: fc.nat(2),
});

function frameOf(header: DataHeader, isPath: boolean): Uint8Array {
  const route = isPath ? PATH : NO_ROUTE;
  header.routeForm = route.form;
  header.routeWords = route.bytes.length >>> 2;
  if (!isPath) header.routeIndex = 0;
  const bytes = new Uint8Array(AT + dataHeaderBytes(header));
  encodeDataHeader(bytes, AT, header, route);
  return bytes;
}

const headerOf = (drawn: Partial<DataHeader>): DataHeader => ({
  ...blankDataHeader(),
  source: 9 as NodeAddress,
  ...drawn,
});

function decoded(bytes: Uint8Array): DataHeader {
  const header = blankDataHeader();
  assert.equal(decodeDataHeader(header, bytes, AT, bytes.length), undefined);
  return header;
}

test('each field is what the whole header says', () => {
  fc.assert(
    fc.property(fields, fc.boolean(), (drawn, isPath) => {
      const bytes = frameOf(headerOf(drawn), isPath);
      assert.equal(frameDestination(bytes, AT), drawn.destination);
      assert.equal(frameRecovery(bytes, AT), drawn.recovery);
      assert.equal(framePriority(bytes, AT), drawn.priority);
      assert.equal(frameRequests(bytes, AT), drawn.requests);
      assert.equal(frameRetransmissions(bytes, AT), drawn.retransmissions);
      assert.equal(frameDeadline(bytes, AT), drawn.deadline);
      assert.equal(frameAge(bytes, AT), drawn.age);
      assert.equal(frameLap(bytes, AT), drawn.lap);
    }),
  );
});

test('a hop changes the hop limit, the place in a path, and nothing else', () => {
  fc.assert(
    fc.property(fields, fc.boolean(), (drawn, isPath) => {
      const header = headerOf(drawn);
      const bytes = frameOf(header, isPath);
      writeFrameHop(bytes, AT, header);
      const routeIndex = isPath ? header.routeIndex + 1 : 0;
      assert.deepEqual(decoded(bytes), { ...header, hopLimit: drawn.hopLimit - 1, routeIndex });
      writeFrameLap(bytes, AT, 7);
      assert.equal(decoded(bytes).lap, 7);
    }),
  );
});

test('being held makes a packet with a deadline older, up to what can be told', () => {
  const older = (deadline: Duration, age: Duration, held: Duration): Duration => {
    const bytes = frameOf(headerOf({ destination: 1 as NodeAddress, deadline, age }), false);
    addFrameAge(bytes, AT, held);
    return frameAge(bytes, AT);
  };
  const second = milliseconds(1_000);
  assert.equal(older(second, milliseconds(2), milliseconds(30)), milliseconds(32));
  assert.equal(older(0 as Duration, milliseconds(2), milliseconds(30)), milliseconds(2));
  assert.equal(older(second, milliseconds(6_000), second), 0xffff * DATA_TIME_STEP);
});
