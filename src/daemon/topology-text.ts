/** Links as the file of `overlane topology set` has them. */
import type { MaximalLink } from '../wire/index.ts';
import type { PermittedLinkText, TopologyText } from './control-api.ts';

export const topologyText = (links: readonly MaximalLink[]): TopologyText => ({
  links: links.map(linkText),
});

const linkText = ({ ends, latencyMin }: MaximalLink): PermittedLinkText => ({
  between: [...ends],
  latencyMin: `${latencyMin / 1_000}ms`,
});
