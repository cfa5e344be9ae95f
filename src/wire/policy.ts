/**
 * The network's routing policy, as the manifest carries it in its field 8: who may use which links and
 * nodes. Deterministic CBOR (`cbor.ts`); no bytes at all mean no policy.
 *
 *   policy, map of 3, in this order:
 *     0 format (1)
 *     1 cliques: array of [name, members, confined: boolean]
 *     2 rules:   array of [name, from, to, lanes, deny links, deny nodes, only links, only nodes]
 *
 *   selector   array of texts, each "*", a node's name or "label=value"; one that fits is enough
 *   links      array of [selector, selector]: links with an end in each, in either direction
 *   lanes      array of lane numbers, ascending
 *
 * An empty selector or list says nothing: any source, any lane, nothing denied, no restriction. What
 * the rules do is `routing/policy/`.
 */
import { CborReader, CborWriter } from './cbor.ts';
import {
  isLabelKey,
  isNodeName,
  LABEL_KEY_BYTES_MAX,
  LABEL_VALUE_BYTES_MAX,
} from './certificate.ts';

export const POLICY_CLIQUES_MAX = 16;
export const POLICY_RULES_MAX = 64;
export const POLICY_NAME_BYTES_MAX = 32;
/** Entries of one selector. */
export const POLICY_SELECTOR_MAX = 32;
/** Pairs of selectors in one list of links. */
export const POLICY_LINKS_MAX = 16;

const FORMAT = 1;
const FIELDS = 3;
const CLIQUE_FIELDS = 3;
const RULE_FIELDS = 8;
const TERM_BYTES_MAX = LABEL_KEY_BYTES_MAX + 1 + LABEL_VALUE_BYTES_MAX;

/** `*`, names and `label=value`; empty: not stated. */
export type PolicySelector = readonly string[];
export type PolicyLinks = readonly (readonly [PolicySelector, PolicySelector])[];

export interface PolicyClique {
  readonly name: string;
  readonly members: PolicySelector;
  /** Flows between members may use links of the clique only. */
  readonly isConfined: boolean;
}

export interface PolicyRule {
  readonly name: string;
  readonly from: PolicySelector;
  readonly to: PolicySelector;
  /** Ascending; empty: any. */
  readonly lanes: readonly number[];
  readonly denyLinks: PolicyLinks;
  /** Not to be passed through; they may still be the ends of a flow. */
  readonly denyNodes: PolicySelector;
  readonly onlyLinks: PolicyLinks;
  readonly onlyNodes: PolicySelector;
}

export interface Policy {
  readonly cliques: readonly PolicyClique[];
  readonly rules: readonly PolicyRule[];
}

export const NO_POLICY: Policy = { cliques: [], rules: [] };

/** What is wrong with one entry of a selector; undefined: nothing. */
export function selectorFault(term: string): string | undefined {
  if (term === '*') return undefined;
  const at = term.indexOf('=');
  if (at < 0) return isNodeName(term) ? undefined : 'expected "*", a node name or "label=value"';
  if (!isLabelKey(term.slice(0, at))) return 'expected a label key before the "="';
  const value = term.length - at - 1;
  return value > 0 && value <= LABEL_VALUE_BYTES_MAX ? undefined : 'expected a value after the "="';
}

export function encodePolicy(policy: Policy): Uint8Array {
  if (policy.cliques.length === 0 && policy.rules.length === 0) return new Uint8Array(0);
  const out = new CborWriter().map(FIELDS);
  out.unsigned(0).unsigned(FORMAT);
  out.unsigned(1).array(policy.cliques.length);
  for (const { name, members, isConfined } of policy.cliques) {
    out.array(CLIQUE_FIELDS).text(name);
    writeSelector(out, members);
    out.boolean(isConfined);
  }
  out.unsigned(2).array(policy.rules.length);
  for (const rule of policy.rules) {
    out.array(RULE_FIELDS).text(rule.name);
    writeSelector(out, rule.from);
    writeSelector(out, rule.to);
    const lanes = [...new Set(rule.lanes)].sort((a, b) => a - b);
    out.array(lanes.length);
    for (const lane of lanes) out.unsigned(lane);
    writeLinks(out, rule.denyLinks);
    writeSelector(out, rule.denyNodes);
    writeLinks(out, rule.onlyLinks);
    writeSelector(out, rule.onlyNodes);
  }
  return out.finish();
}

/** Undefined unless the bytes are the one encoding of a policy within all bounds. */
export function decodePolicy(bytes: Uint8Array): Policy | undefined {
  if (bytes.length === 0) return NO_POLICY;
  const input = new CborReader(bytes);
  if (input.map(FIELDS) !== FIELDS) return undefined;
  input.key(0);
  if (input.unsigned() !== FORMAT) return undefined;
  input.key(1);
  const cliques: PolicyClique[] = [];
  const cliqueCount = input.array(POLICY_CLIQUES_MAX);
  for (let i = 0; i < cliqueCount && input.ok; i++) cliques.push(readClique(input));
  input.key(2);
  const rules: PolicyRule[] = [];
  const ruleCount = input.array(POLICY_RULES_MAX);
  for (let i = 0; i < ruleCount && input.ok; i++) rules.push(readRule(input));
  if (!input.finish() || cliques.length + rules.length === 0) return undefined;
  return { cliques, rules };
}

function readClique(input: CborReader): PolicyClique {
  if (input.array(CLIQUE_FIELDS) !== CLIQUE_FIELDS) input.reject();
  const name = input.text(POLICY_NAME_BYTES_MAX);
  const members = readSelector(input);
  if (members.length === 0) input.reject();
  return { name, members, isConfined: input.boolean() };
}

function readRule(input: CborReader): PolicyRule {
  if (input.array(RULE_FIELDS) !== RULE_FIELDS) input.reject();
  const name = input.text(POLICY_NAME_BYTES_MAX);
  const from = readSelector(input);
  const to = readSelector(input);
  const lanes: number[] = [];
  const count = input.array(256);
  for (let i = 0; i < count && input.ok; i++) {
    const lane = input.unsigned(255);
    if (i > 0 && lane <= lanes[i - 1]!) input.reject();
    lanes.push(lane);
  }
  const denyLinks = readLinks(input);
  const denyNodes = readSelector(input);
  const onlyLinks = readLinks(input);
  const onlyNodes = readSelector(input);
  return { name, from, to, lanes, denyLinks, denyNodes, onlyLinks, onlyNodes };
}

function readSelector(input: CborReader): PolicySelector {
  const terms: string[] = [];
  const count = input.array(POLICY_SELECTOR_MAX);
  for (let i = 0; i < count && input.ok; i++) {
    const term = input.text(TERM_BYTES_MAX);
    if (input.ok && selectorFault(term) !== undefined) input.reject();
    terms.push(term);
  }
  return terms;
}

function readLinks(input: CborReader): PolicyLinks {
  const links: (readonly [PolicySelector, PolicySelector])[] = [];
  const count = input.array(POLICY_LINKS_MAX);
  for (let i = 0; i < count && input.ok; i++) {
    if (input.array(2) !== 2) input.reject();
    const [a, b] = [readSelector(input), readSelector(input)];
    if (a.length === 0 || b.length === 0) input.reject();
    links.push([a, b]);
  }
  return links;
}

function writeSelector(out: CborWriter, selector: PolicySelector): void {
  out.array(selector.length);
  for (const term of selector) out.text(term);
}

function writeLinks(out: CborWriter, links: PolicyLinks): void {
  out.array(links.length);
  for (const [a, b] of links) {
    out.array(2);
    writeSelector(out, a);
    writeSelector(out, b);
  }
}
