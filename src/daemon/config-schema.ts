/**
 * The schema of the config file: the one place where its keys, bounds and defaults are written.
 * `docs/config.schema.json` and `docs/config.md` are generated from it, and a test holds them to it.
 */
import { isIP } from 'node:net';
import * as z from 'zod';
import { resolveLane, resolveOwnLanes } from '../forwarding/index.ts';
import { milliseconds, seconds } from '../kernel/index.ts';
import { isNodeName } from '../wire/index.ts';
import type {
  Config,
  ExposeConfig,
  ForwardConfig,
  ImpairmentConfig,
  Impairments,
  NeighbourConfig,
  ProcessorConfig,
} from './config.ts';
import { LOG_LEVELS, LOG_SUBSYSTEMS } from './config.ts';
import { flowKeys, flowOf, lanesSchema } from './lane-schema.ts';
import { policyRules } from './policy-schema.ts';
import { processorName } from './processors/processor-name.ts';
import { turncoatSchema } from './turncoat-schema.ts';
import type { HostPort } from './units.ts';
import { formatHostPort, parseDuration, parseHostPort } from './units.ts';
import { duration, milliseconds_, rate, share, size } from './value-schema.ts';

const address = (options: { isPortZeroAllowed?: boolean } = {}) =>
  z
    .string('expected "host:port", such as "198.51.100.7:7420" or "[2001:db8::7]:7420"')
    .transform((text, context): HostPort => {
      const value = parseHostPort(text, options);
      if (value !== undefined) return value;
      context.addIssue('expected "host:port", such as "198.51.100.7:7420"');
      return z.NEVER;
    });

const literalAddress = (options: { isPortZeroAllowed?: boolean } = {}) =>
  address(options).refine(({ host }) => isIP(host) !== 0, 'expected a literal IP address and port');

const isMulticast = (host: string): boolean => {
  const first = Number(host.split('.')[0]);
  return isIP(host) === 4 && first >= 224 && first < 240;
};

const memberName = z
  .string('expected a member name')
  .refine(isNodeName, 'expected a member name: letters, digits and hyphens, at most 32');

const port = z
  .int('expected a port number')
  .min(1, 'a port is 1 to 65535')
  .max(65_535, 'a port is 1 to 65535');

const bound = (most: number) =>
  z.int('expected a whole number').min(1, 'expected at least 1').max(most, `at most ${most}`);

const level = z.enum(LOG_LEVELS, `expected one of ${LOG_LEVELS.join(', ')}`);

const neighbour = z.strictObject({
  name: memberName.describe('The member expected there; any other is refused.'),
  addresses: z
    .array(address())
    .min(1, 'expected at least one address')
    .max(8, 'at most 8 addresses')
    .describe('Where it listens; tried in turn. Host names are looked up again every minute.'),
  local: z
    .int()
    .min(0)
    .max(7)
    .optional()
    .describe('Which entry of `listen` to send from. The first of the address family.'),
  paths: z
    .int('expected a whole number')
    .min(1)
    .max(4, 'at most 4')
    .optional()
    .describe(
      'Paths to keep open at once: entry by entry of `listen` to address by address, then crosswise. 1.',
    ),
  twice: z
    .boolean()
    .optional()
    .describe('With several paths: packets with a deadline go over two of them at once.'),
  capacity: rate
    .optional()
    .describe('What the way to it carries; data above it waits by source. `linkCapacity`.'),
});

const impairments = {
  delay: milliseconds_.optional().describe('One-way delay added.'),
  jitter: milliseconds_.optional().describe('Spread of the delay.'),
  loss: share.optional().describe('Share of packets lost.'),
  burst: share.optional().describe('Chance that the packet after a lost one is lost too.'),
  burstTime: milliseconds_
    .optional()
    .describe('Losses are drawn anew after this time, not for each packet.'),
  rate: rate.optional().describe('Bottleneck.'),
  queue: size.optional().describe('Room in front of the bottleneck.'),
  reorder: share.optional().describe('Share of packets held back behind later ones.'),
  duplicate: share.optional().describe('Share of packets that arrive twice.'),
  cut: z.boolean().optional().describe('Nothing passes.'),
  mtu: z.int().min(576).max(9_000).optional().describe('Longer datagrams vanish.'),
};

const idle = duration(seconds(1), seconds(86_400))
  .default(seconds(60))
  .describe('UDP: a client silent for this long is forgotten.');

const forward = z.strictObject({
  protocol: z.enum(['tcp', 'udp'], 'expected tcp or udp'),
  listen: literalAddress({ isPortZeroAllowed: true }).describe(
    'Address and port of this host to take connections on.',
  ),
  to: memberName.describe('The node it leads to.'),
  port: port.describe('Overlay port there; that node needs an `expose` rule for it.'),
  ...flowKeys,
  idle,
});

const expose = z.strictObject({
  protocol: z.enum(['tcp', 'udp'], 'expected tcp or udp'),
  port: port.describe('Overlay port on which other nodes reach it.'),
  to: address().describe('Where it leads, as seen from this host.'),
  from: z
    .union([z.literal('any'), z.array(memberName).min(1).max(256)], {
      error: 'expected "any" or a list of member names',
    })
    .describe('Members that may use it, or `any` for every member.'),
  ...flowKeys,
  idle,
});

const processor = z.strictObject({
  name: z.string().min(1).max(64).optional().describe('For logs and status.'),
  module: z
    .string('expected the path of an ES module')
    .min(1)
    .describe('ES module that exports `createProcessor`, relative to this file.'),
  match: z
    .strictObject({
      port: port.describe('Overlay port that flows are addressed to.'),
      lane: flowKeys.lane.describe('Only what came in this lane. Any.'),
      from: z
        .union([z.literal('any'), z.array(memberName).min(1).max(256)], {
          error: 'expected "any" or a list of member names',
        })
        .default('any')
        .describe('Members it takes messages from, or `any`.'),
    })
    .describe('Which flows it takes: it is their destination, or it could not read them.'),
  to: z
    .string()
    .regex(/^[^:\s]+:\d{1,5}$/, 'expected NODE:port')
    .transform((text, context) => {
      const at = text.lastIndexOf(':');
      const [node, number] = [text.slice(0, at), Number(text.slice(at + 1))];
      if (isNodeName(node) && number > 0 && number <= 65_535) return { node, port: number };
      context.addIssue('expected NODE:port');
      return z.NEVER;
    })
    .optional()
    .describe('Where what it returns is sent, `NODE:port`.'),
  ...flowKeys,
  options: z.unknown().optional().describe('Given to the module as `context.options`.'),
});

const lan = z.strictObject({
  discover: z
    .boolean('expected true or false')
    .default(false)
    .describe(
      'Look for other members on the local network by multicast, have a link with each, and keep one performance database with them. Tells whoever listens there that a node of this network runs here, and its port.',
    ),
  group: literalAddress()
    .refine(({ host }) => isMulticast(host), 'expected an IPv4 multicast address, 224.0.0.0/4')
    .prefault('239.255.76.78:7421')
    .describe('Where they meet: the same for all of them.'),
  interface: z
    .string('expected an IPv4 address')
    .refine((text) => isIP(text) === 4, 'expected the IPv4 address of an interface')
    .optional()
    .describe('Address of the interface that leads there. The system chooses when absent.'),
});

const timers = z.strictObject({
  hello: duration(milliseconds(20), seconds(10)).optional().describe('Between hellos. 100ms.'),
  deadAfter: duration(milliseconds(100), seconds(60))
    .optional()
    .describe('Longest silence before a link counts as dead. 1s.'),
  refresh: duration(seconds(5), seconds(600))
    .optional()
    .describe('Own link state is flooded again this often, with over 50 members less often. 40s.'),
  rekey: duration(seconds(5), seconds(3_600)).optional().describe('Life of link keys. 2m.'),
});

const probing = z.strictObject({
  budget: rate
    .refine((bits) => bits >= 4_000, { error: 'expected 4kbit or more' })
    .optional()
    .describe('For hellos and relay finding on all links together, headers included. 110kbit.'),
  relays: z
    .enum(['auto', 'on', 'off'])
    .optional()
    .describe('Whether flows take relays by fresh figures; `auto`: from 24 members on. auto.'),
  helloMax: duration(milliseconds(100), seconds(12))
    .optional()
    .describe('Hellos are never slower, however many links share the budget. 12s.'),
});

const shareUpToAll = share.refine((part) => part > 0 && part <= 1, {
  error: 'expected more than 0 and up to 100%',
});

const reservations = z.strictObject({
  share: shareUpToAll
    .optional()
    .describe('Of the capacity of each link of this node, for flows that reserve a rate. 90%.'),
  perMember: shareUpToAll
    .optional()
    .describe('Of the same, for the flows of one other member. 50%.'),
  entries: bound(100_000).optional().describe('Reservations on links of this node. 1024.'),
});

const limits = z.strictObject({
  neighbours: bound(1_024).optional(),
  members: bound(10_000).optional(),
  flows: bound(1_000_000).optional(),
  sockets: bound(65_535).optional(),
  streams: bound(65_535).optional(),
  controlConnections: bound(10_000)
    .default(512)
    .describe('Connections to the control socket; further ones are closed.'),
  forwardConnections: bound(10_000)
    .default(512)
    .describe('TCP connections of one forward or expose rule; further ones are refused.'),
  udpClients: bound(10_000)
    .default(256)
    .describe('UDP clients of one forward or expose rule; the longest silent gives way.'),
});

const log = z.strictObject({
  level: level.default('info'),
  file: z.string().min(1).optional().describe('Standard output when absent.'),
  subsystems: z
    .strictObject(
      Object.fromEntries(LOG_SUBSYSTEMS.map((name) => [name, level.optional()])) as Record<
        (typeof LOG_SUBSYSTEMS)[number],
        z.ZodOptional<typeof level>
      >,
    )
    .prefault({})
    .describe('Levels that differ from `level`.'),
});

const listEntry = literalAddress({ isPortZeroAllowed: true });

const schema = z.strictObject({
  state: z.string().min(1).optional().describe('State directory: keys, certificate, epoch.'),
  control: z.string().min(1).optional().describe('Control socket. `control.sock` in `state`.'),
  controlMode: z
    .enum(['0600', '0660'], 'expected "0600" or "0660"')
    .default('0600')
    .transform((text) => Number.parseInt(text, 8))
    .describe('Permissions of the control socket; who can open it controls the node.'),
  listen: z
    .array(listEntry)
    .min(1, 'expected at least one address')
    .max(8, 'at most 8 addresses')
    .prefault(['0.0.0.0:7420'])
    .describe('UDP addresses to listen on; port 0 takes any free one.'),
  advertise: z
    .array(address())
    .max(8, 'at most 8 addresses')
    .default([])
    .describe('Addresses put into invites: where others reach this node. Guessed when empty.'),
  underlay: z
    .enum(['auto', 'portable', 'fast'], 'expected auto, portable or fast')
    .default('auto')
    .describe(
      '`auto`: the fast one where it loads. `fast`: that or no start. See `overlane doctor`.',
    ),
  gso: z
    .boolean('expected true or false')
    .default(true)
    .describe(
      'Fast underlay: the kernel may join and cut runs of datagrams. A firewall that drops one then drops the run: `false` where loss is tested.',
    ),
  threads: bound(16)
    .default(1)
    .describe(
      'Threads that seal and open packets, the first counted: for nodes that forward more than one processor carries and have others idle. Fast underlay only.',
    ),
  acceptLinks: z
    .enum(['members', 'configured'], 'expected members or configured')
    .default('members')
    .describe('Take links from every member, or only from those under `neighbours`.'),
  neighbours: z
    .array(neighbour)
    .max(1_024)
    .optional()
    .describe('Nodes to open links to. When absent: the node this one joined through.'),
  linkCapacity: rate
    .optional()
    .describe('Capacity of links whose neighbour states none. Not throttled when absent.'),
  reservations: reservations.prefault({}),
  weights: z
    .record(memberName, z.int().min(1).max(100))
    .default({})
    .describe('Shares of members on throttled links. 1 each.'),
  timers: timers.prefault({}),
  probing: probing.prefault({}),
  sharePerformance: z
    .array(memberName)
    .max(32)
    .default([])
    .describe('Nodes of one site that keep one performance database between them.'),
  lan: lan.prefault({}),
  limits: limits.prefault({}),
  lanes: lanesSchema.describe("The network's own lanes beside the named ones (docs/lanes.md)."),
  drain: duration(milliseconds(0), seconds(60))
    .prefault('1s')
    .describe('On a stop, how long open streams get after the node has withdrawn.'),
  log: log.prefault({}),
  forwards: z.array(forward).max(256).default([]).describe('Ports of this host that lead away.'),
  expose: z.array(expose).max(256).default([]).describe('Overlay ports that lead to this site.'),
  processors: z
    .array(processor)
    .max(64)
    .default([])
    .describe('Modules that take flows and send on what comes of them (docs/processors.md).'),
  impairments: z
    .array(z.strictObject({ neighbour: memberName, ...impairments }))
    .max(1_024)
    .default([])
    .describe('Packets to a neighbour are mistreated so. Only in networks made as labs.'),
  policy: policyRules
    .default([])
    .describe('Rules for what this node sends and forwards, beside those of the network.'),
  turncoat: turncoatSchema
    .optional()
    .describe('Makes this a captured node, for tests. Only in networks made as labs.'),
});

type Parsed = z.infer<typeof schema>;

function forwardOf(entry: Parsed['forwards'][number]): ForwardConfig {
  const { protocol, listen, to, port: overlayPort, idle: silence, ...flow } = entry;
  return { protocol, listen, to, port: overlayPort, idle: silence, flow: flowOf(flow) };
}

function exposeOf(entry: Parsed['expose'][number]): ExposeConfig {
  const { protocol, port: overlayPort, to, from, idle: silence, ...flow } = entry;
  return { protocol, port: overlayPort, to, from, idle: silence, flow: flowOf(flow) };
}

function processorOf(entry: Parsed['processors'][number]): ProcessorConfig {
  const { name, module, match, to, options, ...flow } = entry;
  const { port: overlayPort, lane, from } = match;
  return {
    name: name ?? processorName(module, overlayPort),
    module,
    port: overlayPort,
    lane,
    from,
    to,
    flow: flowOf(flow),
    options,
  };
}

/** Undefined-keeping view of one impairment entry. */
function impairmentOf(entry: Parsed['impairments'][number]): ImpairmentConfig {
  const { neighbour: name, delay, jitter, burstTime, queue, ...rest } = entry;
  const same: Impairments = {
    delayMs: delay,
    jitterMs: jitter,
    burstTimeMs: burstTime,
    queueBytes: queue,
    ...rest,
  };
  return { neighbour: name, impairments: same };
}

export const configSchema: z.ZodType<Config> = schema.transform(
  (parsed): Config => ({
    ...parsed,
    state: parsed.state,
    control: parsed.control,
    linkCapacity: parsed.linkCapacity,
    turncoat: parsed.turncoat,
    neighbours: parsed.neighbours?.map((n) => ({ ...n, local: n.local, capacity: n.capacity })),
    log: { ...parsed.log, file: parsed.log.file },
    forwards: parsed.forwards.map(forwardOf),
    expose: parsed.expose.map(exposeOf),
    processors: parsed.processors.map(processorOf),
    impairments: parsed.impairments.map(impairmentOf),
  }),
);

/** Draft 2020-12, for editors. */
export function configJsonSchema(): Record<string, unknown> {
  const made = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' });
  return {
    $schema: made.$schema,
    title: 'overlane daemon configuration',
    ...made,
  } as Record<string, unknown>;
}

interface Problem {
  readonly path: PropertyKey[];
  readonly message: string;
  readonly nearest?: string | undefined;
}

/** What a schema cannot say: entries that exclude each other. */
export function checkConfig(config: Config): Problem[] {
  const problems: Problem[] = [];
  const unique = (list: string, keys: readonly (string | undefined)[], what: string): void => {
    const seen = new Set<string>();
    keys.forEach((key, i) => {
      if (key !== undefined && seen.has(key))
        problems.push({ path: [list, i], message: `${what} ${key} stands here twice` });
      if (key !== undefined) seen.add(key);
    });
  };
  const isFixed = (address: HostPort): boolean => address.port !== 0;
  unique('neighbours', config.neighbours?.map((n) => n.name) ?? [], 'neighbour');
  unique(
    'listen',
    config.listen.map((a) => (isFixed(a) ? formatHostPort(a) : undefined)),
    'address',
  );
  unique('forwards', config.forwards.map(forwardKey), 'port');
  problems.push(...laneProblems(config));
  unique(
    'processors',
    config.processors.map((p) => String(p.port)),
    'overlay port',
  );
  unique('expose', config.expose.map(exposeKey), 'overlay port');
  unique(
    'impairments',
    config.impairments.map((i) => i.neighbour),
    'neighbour',
  );
  config.neighbours?.forEach((n: NeighbourConfig, i: number) => {
    if (n.local !== undefined && n.local >= config.listen.length)
      problems.push({
        path: ['neighbours', i, 'local'],
        message: `\`listen\` has ${config.listen.length} entries, counted from 0`,
      });
  });
  return problems;
}

const forwardKey = (f: ForwardConfig): string | undefined =>
  f.listen.port === 0 ? undefined : `${f.protocol} ${formatHostPort(f.listen)}`;
const exposeKey = (e: ExposeConfig): string => `${e.protocol} ${e.port}`;

/** Own lanes that clash or contradict themselves, and flows in a lane that there is not. */
function laneProblems(config: Config): Problem[] {
  const { lanes, problems } = resolveOwnLanes(config.lanes);
  const own = problems.map(({ index, key, message, nearest }): Problem => {
    const path = key === '' ? ['lanes', index] : ['lanes', index, key];
    return { path, message, nearest };
  });
  const flows = [
    ...config.forwards.map(({ flow }, i) => ({ flow, path: ['forwards', i] })),
    ...config.expose.map(({ flow }, i) => ({ flow, path: ['expose', i] })),
    ...config.processors.map(({ flow }, i) => ({ flow, path: ['processors', i] })),
  ];
  const chosen = flows.flatMap(({ flow, path: at }): Problem[] => {
    const { lane, recovery, deadline, playout, routing } = flow;
    const choice = {
      ...(lane === undefined ? {} : { lane }),
      recovery,
      playout,
      deadline: deadline === undefined ? undefined : parseDuration(deadline),
      routing: typeof routing === 'string' ? routing : undefined,
    };
    const resolved = resolveLane(lanes, choice);
    if (resolved.ok) return [];
    const { reason, message, nearest } = resolved.reason;
    const path = [...at, ...(reason === 'unknown-lane' ? ['lane'] : [])];
    return [{ path, message, nearest }];
  });
  return [...own, ...chosen];
}
