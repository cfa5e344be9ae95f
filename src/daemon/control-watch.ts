import type { ServerResponse } from 'node:http';
import type { OverlayNodeHandle } from '../host/index.ts';
import { Fields } from './fields.ts';

export const WATCH_TOPICS = ['links', 'routes', 'events'] as const;
export type WatchTopic = (typeof WATCH_TOPICS)[number];

/**
 * Answers `GET /v1/watch?topics=links,routes` with one JSON object a line, `topic` and the update's
 * own fields, until the client hangs up. The first line of each topic is a snapshot. A client that
 * does not read makes the node's bounded queue overflow, which a later snapshot's `missed` tells.
 */
export async function watchAll(
  node: OverlayNodeHandle,
  url: URL,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  const fields = new Fields(Object.fromEntries(url.searchParams), ['topics']);
  const topics = (fields.optionalText('topics') ?? 'events').split(',').map((topic) => {
    return new Fields({ topics: topic }, ['topics']).choice('topics', WATCH_TOPICS);
  });
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.flushHeaders();
  await Promise.all([...new Set(topics)].map((topic) => tell(node, topic, response, signal)));
  response.end();
}

async function tell(
  node: OverlayNodeHandle,
  topic: WatchTopic,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  for await (const update of watched(node, topic, signal)) {
    if (signal.aborted) return;
    const hasRoom = response.write(`${JSON.stringify({ topic, ...update })}\n`);
    if (!hasRoom) await drained(response);
  }
}

const watched = (
  node: OverlayNodeHandle,
  topic: WatchTopic,
  signal: AbortSignal,
): AsyncIterable<object> => {
  if (topic === 'links') return node.watch('links', { signal });
  return topic === 'routes' ? node.watch('routes', { signal }) : node.watch('events', { signal });
};

const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    response.once('drain', resolve);
    response.once('close', resolve);
  });
