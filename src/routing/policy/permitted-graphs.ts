/**
 * What policy leaves of the network of the moment to flows that begin at this node, made once for each
 * class of flows and kept until links or rules change: every scheme computes on it, no packet waits
 * for it. Two flows of a class share a graph unless one of them ends at a node that the class may not
 * pass through: that one has a graph in which the node is an end.
 *
 * Kept are as many graphs as classes, and one more for each such end.
 */
import type { NodeAddress } from '../../kernel/index.ts';
import type { Graph } from '../graph.ts';
import { EMPTY_GRAPH } from '../graph.ts';
import type { FlowClass } from './flow-class.ts';
import { permittedBetween } from './policy-table.ts';

/** Key of the graph for destinations that may be passed through as well. */
const ANYWHERE = 0 as NodeAddress;

export class PermittedGraphs {
  private readonly self: NodeAddress;
  private graph: Graph = EMPTY_GRAPH;
  private known = new WeakMap<FlowClass, Map<NodeAddress, Graph>>();

  constructor(self: NodeAddress) {
    this.self = self;
  }

  /** State: links have changed; what was made of them is forgotten. Other rules make other classes. */
  take(graph: Graph): void {
    this.graph = graph;
    this.known = new WeakMap();
  }

  /** The same object until the next `take`. */
  to(destination: NodeAddress, flowClass: FlowClass): Graph {
    if (flowClass.isOpen) return this.graph;
    let ofClass = this.known.get(flowClass);
    if (ofClass === undefined) {
      ofClass = new Map();
      this.known.set(flowClass, ofClass);
    }
    const isEndOnly = flowClass.transitDenial(destination) !== undefined;
    const key = isEndOnly ? destination : ANYWHERE;
    let found = ofClass.get(key);
    if (found === undefined) {
      found = permittedBetween(this.graph, flowClass, { source: this.self, destination });
      ofClass.set(key, found);
    }
    return found;
  }
}
