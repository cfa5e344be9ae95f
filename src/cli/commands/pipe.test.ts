import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { Duplex, PassThrough, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import type { Datagram, DatagramSocket, EndpointParts, OverlayStream } from '../../host/index.ts';
import { EXIT } from '../exit-codes.ts';
import { runFake } from '../fake-context.ts';

/** A stream whose far end sends everything back. */
function echoStream(remote: EndpointParts): OverlayStream {
  const local = { node: 'ATL', port: 49_152 };
  return Object.assign(new PassThrough(), { local, remote }) as unknown as OverlayStream;
}

/** A datagram socket that answers each datagram from where it was sent. */
class EchoSocket extends EventEmitter {
  readonly local: EndpointParts = { node: 'ATL', port: 49_153 };
  readonly sentTo: EndpointParts[] = [];
  private readonly inbox = new PassThrough({ objectMode: true });

  send(payload: Uint8Array, { to }: { to: EndpointParts }): boolean {
    this.sentTo.push(to);
    this.inbox.write({ payload, from: to, lane: 'default' } satisfies Datagram);
    return true;
  }

  close(): Promise<void> {
    this.inbox.end();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<Datagram> {
    return this.inbox[Symbol.asyncIterator]();
  }
}

describe('pipe', () => {
  test('carries standard input to the stream and the stream to standard output', async () => {
    const connect = (to: unknown) => Promise.resolve(echoStream(to as EndpointParts));
    const run = await runFake(['pipe', 'LAX:7000'], { stdin: 'hello', daemon: { connect } });
    assert.equal(run.exit, EXIT.ok, run.err);
    assert.equal(run.out, 'hello');
    assert.equal(run.err, 'LAX:7000: 5 B sent, 5 B received\n');
  });

  test('keeps standard output free of its report under --json', async () => {
    const connect = (to: unknown) => Promise.resolve(echoStream(to as EndpointParts));
    const words = ['pipe', 'LAX:7000', '--json'];
    const run = await runFake(words, { stdin: 'hello', daemon: { connect } });
    assert.equal(run.out, 'hello');
    assert.deepEqual(JSON.parse(run.err), {
      schema: 'overlane.pipe/1',
      remote: 'LAX:7000',
      sent: 5,
      received: 5,
    });
  });

  test('goes on sending when the other end has nothing to say', async () => {
    const taken: string[] = [];
    const silent = new Duplex({
      read() {
        this.push(null);
      },
      write(chunk, _encoding, done) {
        taken.push(String(chunk));
        setImmediate(done);
      },
    });
    const ends = { local: { node: 'ATL', port: 9 }, remote: { node: 'LAX', port: 7 } };
    const connect = () => Promise.resolve(Object.assign(silent, ends) as OverlayStream);
    const stdin = Readable.from([Buffer.from('one '), Buffer.from('two')]);
    const run = await runFake(['pipe', 'LAX:7'], { stdin, daemon: { connect } });
    assert.equal(run.exit, EXIT.ok, run.err);
    assert.equal(taken.join(''), 'one two');
  });

  test('takes one stream when listening, and closes the listener', async () => {
    const server = Object.assign(new EventEmitter(), {
      isClosed: false,
      close(): Promise<void> {
        server.isClosed = true;
        return Promise.resolve();
      },
    });
    const listen = () => {
      setImmediate(() => server.emit('connection', echoStream({ node: 'DFW', port: 9 })));
      return Promise.resolve(server as never);
    };
    const run = await runFake(['pipe', '-l', '7000'], { stdin: 'x', daemon: { listen } });
    assert.equal(run.out, 'x');
    assert.match(run.err, /^DFW:9: 1 B sent/);
    assert.equal(server.isClosed, true);
  });

  test('sends what it reads as datagrams and waits for answers', async () => {
    const socket = new EchoSocket();
    const datagram = () => Promise.resolve(socket as unknown as DatagramSocket);
    const words = ['pipe', '-u', 'LAX:7001'];
    const run = await runFake(words, { stdin: 'ping', daemon: { datagram } });
    assert.equal(run.exit, EXIT.ok, run.err);
    assert.equal(run.out, 'ping');
    assert.deepEqual(socket.sentTo, [{ node: 'LAX', port: 7001 }]);
  });

  test('needs exactly one of an endpoint and --listen', async () => {
    assert.equal((await runFake(['pipe'], { daemon: {} })).exit, EXIT.usage);
    const both = await runFake(['pipe', 'LAX:1', '--listen', '2'], { daemon: {} });
    assert.equal(both.exit, EXIT.usage);
    const bad = await runFake(['pipe', 'LAX'], { daemon: {} });
    assert.equal(bad.exit, EXIT.usage);
  });
});
