/** Why packets, handshakes, records and joins from the network are refused, and what to do. */

export interface RefusalReason {
  readonly meaning: string;
  readonly remedy: string;
}

/**
 * Why something from the network was refused. These are no errors of a call: they are counted
 * (`overlane status --counters`) and shown as `refused` events.
 */
export const REFUSAL_REASONS = {
  malformed: {
    meaning: 'Bytes that cannot be what they claim to be: cut short, too long, not canonical.',
    remedy: 'A few are scans from the Internet. Many from one member: its version differs.',
  },
  'bad-signature': {
    meaning: 'A certificate, manifest or link state is not signed by who it names.',
    remedy: 'Somebody forges, or a state directory was mixed up. Look at the address it came from.',
  },
  'not-yet-valid': {
    meaning: "A certificate's validity begins in the future.",
    remedy: 'One of the two clocks is wrong: run overlane doctor on both hosts.',
  },
  'link-not-in-the-topology': {
    meaning: 'A link that the topology in the manifest does not let exist.',
    remedy:
      'Take the neighbour out of the configuration, or add the link to the topology where the root key is: see overlane topology show. From a stranger to your configuration: somebody tries links of its own.',
  },
  expired: {
    meaning: 'A certificate, or an invite, is past its end.',
    remedy:
      'Invite the node again. Certificates renew themselves while a node can reach its issuer.',
  },
  revoked: {
    meaning: 'The certificate was revoked with overlane revoke.',
    remedy: 'Intended. To let the node in again, invite it: it gets a new certificate.',
  },
  'foreign-network': {
    meaning: 'A certificate or manifest of another network.',
    remedy: 'Check the addresses under neighbours: they lead to a node of another network.',
  },
  'unknown-issuer': {
    meaning: 'A certificate was issued by a key that is no root of this network.',
    remedy: 'If the root was rotated, the node missed the manifest that says so: join again.',
  },
  'issuer-not-allowed': {
    meaning: 'A certificate was issued by a member without the role of an issuer.',
    remedy: 'Issue it from the root, or give that member the role.',
  },
  'token-unknown': {
    meaning: 'A host tried to join with a token that this node did not give out.',
    remedy:
      'Was it made by another node, or before the state directory was restored? Invite again.',
  },
  'token-expired': {
    meaning: 'A host tried to join with a token past its end.',
    remedy: 'Invite again; --expires says how long the next one lives.',
  },
  'token-used': {
    meaning: 'A token was used a second time, by other keys than the first.',
    remedy: 'Tokens are for one host. If nobody of yours used it first, revoke that node.',
  },
  'name-mismatch': {
    meaning: 'A host asked for another name than its invite is for.',
    remedy: 'Join under the name of the invite, or invite without a name.',
  },
  mistyped: {
    meaning: 'A token is not as it was printed: its checksum differs.',
    remedy: 'Copy it again, whole and in one line.',
  },
  'not-a-token': {
    meaning: 'What was given as a token does not begin as one.',
    remedy: 'A token is one line that begins with ovl1_.',
  },
  'unsupported-version': {
    meaning: 'A token of a later version of overlane.',
    remedy: 'Update overlane on this host.',
  },
  truncated: {
    meaning: 'A packet that ends before its fields do.',
    remedy: 'A few are scans from the Internet. Many from one member: its version differs.',
  },
  'bad-tag': {
    meaning:
      'A sealed packet that does not open: altered on the way, forged, or of an old session.',
    remedy: 'A few after a restart are normal. Many: something on the way alters packets.',
  },
  'low-order-key': {
    meaning: 'A handshake with a public key that would make the shared secret known to all.',
    remedy: 'An attack, or a broken program. Nothing was agreed with it.',
  },
  'out-of-turn': {
    meaning: 'A handshake message that was not expected at this moment.',
    remedy: 'Some are normal when both ends open a link at once.',
  },
  'unknown-type': {
    meaning: 'A handshake datagram of a type that is not known.',
    remedy: 'A few are scans from the Internet. Many from one member: its version differs.',
  },
  forged: {
    meaning: "A handshake that does not know the network's id. It gets no answer.",
    remedy:
      'Scans from the Internet; nothing to do. From a host of yours: it is set up for another network.',
  },
  overload: {
    meaning: 'Too many handshakes at once; this one did not carry a valid cookie.',
    remedy:
      'Somebody floods this port, or very many nodes start at once. Members get through by asking again.',
  },
  'table-full': {
    meaning: 'As many handshakes are under way as the bound allows.',
    remedy:
      'See the addresses in the events; a flood ends by itself, a large network may raise the bound.',
  },
  'bad-message': {
    meaning: 'A handshake message that does not decrypt.',
    remedy: 'Altered on the way, or forged. From a member again and again: its version differs.',
  },
  'chain-too-long': {
    meaning: 'The answer to a handshake would be longer than what was asked with.',
    remedy: 'Give certificates fewer roles and labels, or shorter names.',
  },
  'unknown-index': {
    meaning: 'An answer to a handshake that is not under way (any more).',
    remedy: 'Late packets; normal when a link is slow to come up.',
  },
  duplicate: {
    meaning: 'A handshake message that came twice.',
    remedy: 'Normal where the network below duplicates or resends.',
  },
  'bad-cookie': {
    meaning: 'A cookie that this node did not ask for, or that does not open.',
    remedy: 'A few are late packets. Many: somebody forges.',
  },
  'identity-not-proven': {
    meaning: 'A host asked for a certificate for keys that it could not prove to have.',
    remedy: 'A broken or forged join request: nothing was issued.',
  },
  'too-many-enrolments': {
    meaning: 'More hosts join at once than the bound allows.',
    remedy: 'The joining hosts try again by themselves.',
  },
  'frame-not-allowed': {
    meaning:
      'A joining host sent something else than its request, or a member what only joining hosts send.',
    remedy: 'A broken or hostile sender: see the address it comes from.',
  },
  'frame-truncated': {
    meaning: 'A sealed packet whose frames end in the middle.',
    remedy: 'Only a member can send one: its version differs, or it is broken.',
  },
  'repair-malformed': {
    meaning: 'A repair of a lost packet, or a request for one, is not what its frame promises.',
    remedy:
      'Only a member can send one. Many from one member: its version differs, or it is captured.',
  },
  'train-malformed': {
    meaning:
      'A train that measures capacity, or the report of one, is not what its frame promises.',
    remedy:
      'Only a member can send one. Many from one member: its version differs, or it is captured.',
  },
  'ack-malformed': {
    meaning: 'An acknowledgement on a link is not what its frame promises.',
    remedy:
      'Only a member can send one. Many from one member: its version differs, or it is captured.',
  },
  'hello-malformed': {
    meaning: 'A hello that makes no sense.',
    remedy: 'Only a neighbour can send one: its version differs, or it is broken.',
  },
  'unknown-record-type': {
    meaning: 'A flooded record of a type that this version does not know.',
    remedy: 'A member runs a later version; its other records are used.',
  },
  'bad-link-state-signature': {
    meaning: 'Link state that its origin did not sign.',
    remedy: 'A member forwards forged link state: look at which one the events name.',
  },
  equivocation: {
    meaning:
      'Two different link states of one member with the same number: it says different things to different nodes.',
    remedy: 'A member lies, or two daemons run with copies of one state directory.',
  },
  'certificate-mislabelled': {
    meaning: "A certificate flooded under another member's address.",
    remedy: 'A member forges, or is broken: look at which one the events name.',
  },
  'certificate-address-taken': {
    meaning: 'A certificate for an address that another key holds already.',
    remedy:
      'One in four billion by chance: an attack, or a member that joined anew. Revoke the one that is wrong.',
  },
  'malformed-manifest': {
    meaning: 'A manifest that cannot be decoded.',
    remedy: 'A member of a later version, or a broken one: see which one the events name.',
  },
  'malformed-link-state': {
    meaning: 'Link state that cannot be decoded or breaks a bound.',
    remedy: 'A member of a later version, or a broken one: see which one the events name.',
  },
  'unknown-session': {
    meaning: 'An end-to-end packet for a session that is not known here.',
    remedy: 'Normal after a restart: the other node is told and begins a new session.',
  },
  'wrong-epoch': {
    meaning: "A sealed payload from before the sender's last start, or claiming to be.",
    remedy: 'Normal for late packets after a restart. Many: somebody replays.',
  },
  replayed: {
    meaning: 'A packet that came before, or is too late to tell.',
    remedy:
      'Some are normal where the network duplicates. Many: somebody replays; they do no harm.',
  },
  stranger: {
    meaning: 'An end-to-end session from a node whose certificate is not known here.',
    remedy: 'Normal just after a node joined; it asks again.',
  },
  'too-many-initiations': {
    meaning: 'More end-to-end sessions are asked for than are answered in the time.',
    remedy: 'The others ask again by themselves. If it stays: see which member asks so often.',
  },
  'initiation-crossed': {
    meaning: "Both nodes began a session at once; the other one's beginning counts.",
    remedy: 'Normal: one session comes of it.',
  },
  'wrong-key': {
    meaning: 'A session from a node that does not hold the key of its certificate.',
    remedy: 'A node pretends to be another: see which one the events name.',
  },
  'bad-offer': {
    meaning: 'The terms of a session do not fit the packet that carries them.',
    remedy: 'A member forges, or is of another version.',
  },
  'no-common-algorithm': {
    meaning: 'The two nodes know no cipher in common.',
    remedy: 'One of them is of another version: update it.',
  },
  'stale-initiation': {
    meaning: 'A session is begun that is older than the one in use.',
    remedy: 'Normal for late packets.',
  },
  'unexpected-response': {
    meaning: 'An answer to a session that was not begun, or is not waited for any more.',
    remedy: 'Normal for late packets.',
  },
  'unexpected-notice': {
    meaning: 'A node says that it does not know a session that is not in use anyway.',
    remedy: 'Normal for late packets after a restart.',
  },
  'bad-address': {
    meaning: 'An overlay address does not follow from the key of the node that claims it.',
    remedy: 'Somebody forges, or a certificate was made by another program.',
  },
} as const;
