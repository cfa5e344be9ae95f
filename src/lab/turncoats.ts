/**
 * Captured nodes of the lab, by kind: what `overlane lab --turncoat DFW=drop` says, as the `turncoat`
 * section of that daemon's config. Each kind is the worst that the node can do of it.
 */
import { nearestSpelling, OverlayError } from '../kernel/index.ts';

export type TurncoatKind =
  | 'drop'
  | 'delay'
  | 'reorder'
  | 'replay'
  | 'duplicate'
  | 'corrupt'
  | 'lie'
  | 'flood';

interface KindOfTurncoat {
  /** In words. */
  readonly means: string;
  /** As in a daemon's config. */
  readonly config: Readonly<Record<string, unknown>>;
}

export const TURNCOAT_KINDS: Readonly<Record<TurncoatKind, KindOfTurncoat>> = {
  drop: { means: 'drops every packet', config: { drop: '100%' } },
  delay: { means: 'holds every packet back for a second', config: { delay: '1s' } },
  reorder: { means: 'lets every other packet be overtaken', config: { reorder: '50%' } },
  replay: { means: 'sends every packet again a second later', config: { replay: '100%' } },
  duplicate: { means: 'sends every packet twice, everywhere', config: { duplicate: '100%' } },
  corrupt: { means: 'alters every packet', config: { corrupt: '100%' } },
  lie: { means: 'claims that its links take no time', config: { claimLatency: '0ms' } },
  flood: {
    means: 'sends 5 Mbit/s of its own to LAX',
    config: { flood: { rate: '5Mbit', to: 'LAX' } },
  },
};

export interface CapturedNode {
  readonly node: string;
  /** At least one. */
  readonly kinds: readonly TurncoatKind[];
}

const KINDS = Object.keys(TURNCOAT_KINDS) as TurncoatKind[];

/** `DFW=drop`, `DFW=lie,drop`. Fails with USAGE, naming what was meant. */
export function parseTurncoat(text: string, nodes: readonly string[]): CapturedNode {
  const [node = '', list, ...rest] = text.split('=');
  if (list === undefined || list === '' || rest.length > 0)
    throw usage(`"${text}": expected NODE=KIND, such as DFW=drop; kinds: ${KINDS.join(', ')}`);
  if (!nodes.includes(node))
    throw usage(`no node ${node} can be captured${near(node, nodes)}: ${nodes.join(', ')}`);
  const kinds = list.split(',').map((word) => {
    const kind = KINDS.find((known) => known === word);
    if (kind !== undefined) return kind;
    throw usage(`no kind of turncoat "${word}"${near(word, KINDS)}: ${KINDS.join(', ')}`);
  });
  return { node, kinds: [...new Set(kinds)] };
}

/** The section of the daemon's config. */
export const turncoatConfig = (kinds: readonly TurncoatKind[]): Record<string, unknown> =>
  Object.assign({}, ...kinds.map((kind) => TURNCOAT_KINDS[kind].config));

export const turncoatText = (kinds: readonly TurncoatKind[]): string =>
  kinds.map((kind) => TURNCOAT_KINDS[kind].means).join(', ');

function near(word: string, known: readonly string[]): string {
  const nearest = nearestSpelling(word, known);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
}

const usage = (message: string): OverlayError => new OverlayError('USAGE', message);
