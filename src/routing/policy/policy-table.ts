/**
 * Policy-based routing: which links and nodes a flow may use. The rules of the network are in the
 * manifest and equal on every node; a node may add its own, which bind what it sends and forwards.
 *
 * A flow is (source, destination, lane). The rules that match it make its class (`flow-class.ts`).
 * Flows that only the general rules match are the default class: their permitted links are the same
 * for every node, so their packets find their way hop by hop. A flow of any other class carries a
 * route that its source computed over the links permitted to it. Every node checks every packet
 * against both links it uses there, whoever chose them: a denied link is not used even where it is
 * the only one. The idea of classes with a virtual topology each is RON's (Andersen, Balakrishnan,
 * Kaashoek and Morris, SOSP 2001); that every hop enforces it is not.
 *
 * On the packet path the answer is remembered per flow (`forwarding/`); behind it stand the tables
 * here, and rules are read only for classes, links and nodes not met before.
 */
import type { Counters, NodeAddress } from '../../kernel/index.ts';
import type { Policy, PolicyRule, PolicySelector } from '../../wire/index.ts';
import { NO_POLICY } from '../../wire/index.ts';
import type { Graph } from '../graph.ts';
import { buildGraph } from '../graph.ts';
import type { FactsOf } from './flow-class.ts';
import { FlowClass, selects } from './flow-class.ts';

export class PolicyTable {
  /** Changes whenever any answer may have. */
  generation = 1;
  private readonly factsOf: FactsOf;
  private readonly counters: Counters;
  private readonly flowsMax: number;
  private network: Policy = NO_POLICY;
  private local: readonly PolicyRule[] = [];
  private rules: readonly PolicyRule[] = [];
  private readonly classes = new Map<string, FlowClass>();
  private readonly bySource = new Map<number, Map<NodeAddress, FlowClass>>();
  private flows = 0;
  private general: FlowClass;

  /** `flowsMax`: flows whose class is remembered. Overflow: all are forgotten and found again. */
  constructor(options: { factsOf: FactsOf; counters: Counters; flowsMax: number }) {
    this.factsOf = options.factsOf;
    this.counters = options.counters;
    this.flowsMax = options.flowsMax;
    this.general = this.generalClass();
  }

  /** No rules: every question may be spared. */
  get isOpen(): boolean {
    return this.rules.length === 0 && this.network.cliques.length === 0;
  }

  get policy(): Policy {
    return this.network;
  }

  get localRules(): readonly PolicyRule[] {
    return this.local;
  }

  /** The class that routes are computed for hop by hop. */
  get defaultClass(): FlowClass {
    return this.general;
  }

  setNetwork(policy: Policy): void {
    this.network = policy;
    this.reset();
  }

  setLocal(rules: readonly PolicyRule[]): void {
    this.local = rules;
    this.reset();
  }

  /** A member came, went or has other labels. */
  membersChanged(): void {
    if (!this.isOpen) this.reset();
  }

  classOf(source: NodeAddress, destination: NodeAddress, lane: number): FlowClass {
    if (this.isOpen) return this.general;
    // 40 bits: exact in a double.
    const key = source * 256 + lane;
    let known = this.bySource.get(key);
    const found = known?.get(destination);
    if (found !== undefined) return found;
    if (this.flows >= this.flowsMax) {
      this.counters.add('policy-flows-full');
      this.forgetFlows();
      known = undefined;
    }
    if (known === undefined) {
      known = new Map();
      this.bySource.set(key, known);
    }
    const made = this.classify(source, destination, lane);
    known.set(destination, made);
    this.flows++;
    return made;
  }

  /** Whether the link may take the flow from one of its ends to the other. */
  permits(
    flow: { source: NodeAddress; destination: NodeAddress; lane: number },
    from: NodeAddress,
    to: NodeAddress,
  ): boolean {
    return this.denial(flow, from, to) === undefined;
  }

  /** Why not, in words. */
  denial(
    flow: { source: NodeAddress; destination: NodeAddress; lane: number },
    from: NodeAddress,
    to: NodeAddress,
  ): string | undefined {
    const flowClass = this.classOf(flow.source, flow.destination, flow.lane);
    const byLink = flowClass.linkDenial(from, to);
    if (byLink !== undefined) return byLink;
    const byFrom = from === flow.source ? undefined : flowClass.transitDenial(from);
    return byFrom ?? (to === flow.destination ? undefined : flowClass.transitDenial(to));
  }

  private classify(source: NodeAddress, destination: NodeAddress, lane: number): FlowClass {
    const from = this.factsOf(source);
    const to = this.factsOf(destination);
    const isFree = (selector: PolicySelector): boolean => selector.length === 0;
    const matched: number[] = [];
    this.rules.forEach((rule, i) => {
      const isMatch =
        (isFree(rule.from) || selects(rule.from, from)) &&
        (isFree(rule.to) || selects(rule.to, to)) &&
        (rule.lanes.length === 0 || rule.lanes.includes(lane));
      if (isMatch) matched.push(i);
    });
    const { cliques } = this.network;
    const own = cliques.filter(({ members }) => selects(members, from) && selects(members, to));
    const key = `${matched.join()} ${own.map((clique) => cliques.indexOf(clique)).join()}`;
    let found = this.classes.get(key);
    if (found === undefined) {
      const rules = matched.map((i) => this.rules[i]!);
      found = new FlowClass({ rules, cliques, own }, this.factsOf, false);
      this.classes.set(key, found);
    }
    return found;
  }

  private reset(): void {
    this.generation++;
    this.rules = [...this.network.rules, ...this.local];
    this.forgetFlows();
    this.classes.clear();
    this.general = this.generalClass();
  }

  private forgetFlows(): void {
    this.bySource.clear();
    this.flows = 0;
  }

  /** The rules of the network that match whatever flow there is. State: known under its key. */
  private generalClass(): FlowClass {
    const { rules, cliques } = this.network;
    const isGeneral = (rule: PolicyRule): boolean =>
      rule.lanes.length === 0 && isEverybody(rule.from) && isEverybody(rule.to);
    const given = { rules: rules.filter(isGeneral), cliques, own: [] };
    const made = new FlowClass(given, this.factsOf, true);
    const indexes = rules.flatMap((rule, i) => (isGeneral(rule) ? [i] : []));
    this.classes.set(`${indexes.join()} `, made);
    return made;
  }
}

const isEverybody = (selector: PolicySelector): boolean =>
  selector.length === 0 || selector.includes('*');

/** What of the network is open to a class, nodes that may not be passed through marked. */
export function permittedGraph(graph: Graph, flowClass: FlowClass): Graph {
  if (flowClass.isOpen) return graph;
  const edges = graph.edges.filter(({ a, b }) => flowClass.linkDenial(a, b) === undefined);
  const closed = graph.nodes.map((node) => flowClass.transitDenial(node) !== undefined);
  const permitted = edges.length === graph.edges.length ? graph : buildGraph(graph.nodes, edges);
  return closed.includes(true) ? { ...permitted, isTransitClosed: closed } : permitted;
}

/**
 * The same for the flows between two nodes, as a plain graph: nodes closed to transit have no links
 * unless they are an end. Any algorithm on graphs is then right for these two ends.
 */
export function permittedBetween(
  graph: Graph,
  flowClass: FlowClass,
  ends: { source: NodeAddress; destination: NodeAddress },
): Graph {
  if (flowClass.isOpen) return graph;
  const isOpenTo = (node: NodeAddress): boolean =>
    node === ends.source ||
    node === ends.destination ||
    flowClass.transitDenial(node) === undefined;
  const edges = graph.edges.filter(
    ({ a, b }) => flowClass.linkDenial(a, b) === undefined && isOpenTo(a) && isOpenTo(b),
  );
  return edges.length === graph.edges.length ? graph : buildGraph(graph.nodes, edges);
}
