import { metricsOf, metricsText } from '../../host/index.ts';
import { type DefinedCommand, defineCommand } from '../command.ts';

export const metricsCommand: DefinedCommand = defineCommand({
  path: 'metrics',
  brief: 'Show figures of the node as Prometheus reads them',
  description:
    'Prints links, queues and what they dropped by lane, bandwidth, reservations and all counters in the text format of Prometheus. The daemon serves the same at GET /v1/metrics of its control socket.',
  usesDaemon: true,
  examples: [
    { line: 'overlane metrics', note: 'all of them' },
    {
      line: 'overlane metrics > /var/lib/node_exporter/overlane.prom',
      note: 'for the textfile collector of node_exporter',
    },
  ],
  fields: { metrics: 'list of { name, type, help, samples: list of { labels, value } }' },
  async run(context, flags) {
    const socket = context.daemons.socketPath(flags.socket);
    await using daemon = await context.daemons.connect(socket, context.signal);
    const metrics = metricsOf(await daemon.status({ signal: context.signal }));
    return { data: { metrics }, text: metricsText(metrics).trimEnd() };
  },
});
