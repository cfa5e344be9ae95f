/** Implements `SimulatorPort` with the sim room, which is loaded when first needed. */
import type { SimulatorPort } from './simulator-port.ts';

export function realSimulator(): SimulatorPort {
  return {
    async swarm({ onLine, ...options }) {
      const { swarm } = await import('../sim/index.ts');
      return swarm({ ...options, ...(onLine === undefined ? {} : { onLine }) });
    },
    async describe(seed, nodesMax) {
      const { describeScenario, drawScenario } = await import('../sim/index.ts');
      return describeScenario(drawScenario(seed, { nodesMax }));
    },
  };
}
