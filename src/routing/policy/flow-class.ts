/**
 * A class of flows: those to which the same rules of policy apply. It answers for links and nodes, and
 * remembers what it answered, so that neither routes nor packets cost more than a look-up.
 *
 * A link may carry a flow when every rule that matches the flow permits it: no `deny` names it, every
 * `only` names it, and where it is a link of cliques the flow belongs to one of them. A node may be
 * passed through by the same logic; the ends of a flow pass nothing through.
 */
import type { NodeAddress } from '../../kernel/index.ts';
import type { PolicyClique, PolicyRule, PolicySelector } from '../../wire/index.ts';

/** What policy knows of a node. */
export interface NodeFacts {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type FactsOf = (address: NodeAddress) => NodeFacts | undefined;

export interface ClassRules {
  readonly rules: readonly PolicyRule[];
  /** All there are: their links are closed to flows of others. */
  readonly cliques: readonly PolicyClique[];
  /** Those that both ends of the flow belong to. */
  readonly own: readonly PolicyClique[];
}

export class FlowClass {
  /** Flows that no rule singles out: every node computes their routes alike, hop by hop. */
  readonly isDefault: boolean;
  private readonly given: ClassRules;
  private readonly factsOf: FactsOf;
  private readonly links = new Map<NodeAddress, Map<NodeAddress, string>>();
  private readonly nodes = new Map<NodeAddress, string>();

  constructor(given: ClassRules, factsOf: FactsOf, isDefault: boolean) {
    this.given = given;
    this.factsOf = factsOf;
    this.isDefault = isDefault;
  }

  /** Whether anything at all is closed to it. */
  get isOpen(): boolean {
    return this.given.rules.length === 0 && this.given.cliques.length === 0;
  }

  /** Why the link may not carry the class, in words; undefined: it may. Direction does not matter. */
  linkDenial(x: NodeAddress, y: NodeAddress): string | undefined {
    if (this.isOpen) return undefined;
    const [a, b] = x < y ? [x, y] : [y, x];
    let known = this.links.get(a);
    if (known === undefined) {
      known = new Map();
      this.links.set(a, known);
    }
    let verdict = known.get(b);
    if (verdict === undefined) {
      verdict = this.judgeLink(a, b);
      known.set(b, verdict);
    }
    return verdict === '' ? undefined : verdict;
  }

  /** Why the class may not pass through the node. */
  transitDenial(node: NodeAddress): string | undefined {
    if (this.isOpen) return undefined;
    let verdict = this.nodes.get(node);
    if (verdict === undefined) {
      verdict = this.judgeNode(node);
      this.nodes.set(node, verdict);
    }
    return verdict === '' ? undefined : verdict;
  }

  private judgeLink(a: NodeAddress, b: NodeAddress): string {
    const x = this.factsOf(a);
    const y = this.factsOf(b);
    const joins = ([p, q]: readonly [PolicySelector, PolicySelector]): boolean =>
      (selects(p, x) && selects(q, y)) || (selects(p, y) && selects(q, x));
    for (const { name, denyLinks, onlyLinks } of this.given.rules) {
      if (denyLinks.some(joins)) return `policy ${name}`;
      if (onlyLinks.length > 0 && !onlyLinks.some(joins)) return `policy ${name}`;
    }
    const { cliques, own } = this.given;
    const holds = ({ members }: PolicyClique): boolean =>
      selects(members, x) && selects(members, y);
    for (const clique of own)
      if (clique.isConfined && !holds(clique)) return `confined to clique ${clique.name}`;
    const closed = cliques.filter(holds);
    if (closed.length === 0 || closed.some((clique) => own.includes(clique))) return '';
    return `clique ${closed[0]!.name}`;
  }

  private judgeNode(node: NodeAddress): string {
    const facts = this.factsOf(node);
    for (const { name, denyNodes, onlyNodes } of this.given.rules) {
      if (selects(denyNodes, facts)) return `policy ${name}`;
      if (onlyNodes.length > 0 && !selects(onlyNodes, facts)) return `policy ${name}`;
    }
    return '';
  }
}

/** Whether a selector that states something means this node. Of an unknown node only `*` is true. */
export function selects(selector: PolicySelector, node: NodeFacts | undefined): boolean {
  for (const term of selector) {
    if (term === '*') return true;
    if (node === undefined) continue;
    const at = term.indexOf('=');
    if (at < 0 ? node.name === term : node.labels[term.slice(0, at)] === term.slice(at + 1))
      return true;
  }
  return false;
}
