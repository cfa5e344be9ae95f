/**
 * Who is known: members whose certificates reached this node and hold now. A name belongs to the
 * member whose certificate began first, so a certificate issued later cannot take a name over.
 */
import type { NodeAddress } from '../kernel/index.ts';
import type { Member } from '../security/index.ts';

export class MemberDirectory {
  private readonly byAddress = new Map<NodeAddress, Member>();
  private readonly byName = new Map<string, Member[]>();
  private readonly membersMax: number;

  constructor(membersMax: number) {
    this.membersMax = membersMax;
  }

  get size(): number {
    return this.byAddress.size;
  }

  hasRoomFor(address: NodeAddress): boolean {
    return this.byAddress.size < this.membersMax || this.byAddress.has(address);
  }

  put(member: Member): void {
    this.delete(member.address);
    this.byAddress.set(member.address, member);
    const claims = this.byName.get(member.name) ?? [];
    claims.push(member);
    claims.sort((a, b) => a.notBefore - b.notBefore || a.address - b.address);
    this.byName.set(member.name, claims);
  }

  delete(address: NodeAddress): void {
    const member = this.byAddress.get(address);
    if (member === undefined) return;
    this.byAddress.delete(address);
    const claims = (this.byName.get(member.name) ?? []).filter((m) => m.address !== address);
    if (claims.length === 0) this.byName.delete(member.name);
    else this.byName.set(member.name, claims);
  }

  get(address: NodeAddress): Member | undefined {
    return this.byAddress.get(address);
  }

  named(name: string): Member | undefined {
    return this.byName.get(name)?.[0];
  }

  /** Whether another member has the better claim to this one's name. */
  isNameTaken(member: Member): boolean {
    return this.named(member.name)?.address !== member.address;
  }

  /** Ascending by address. */
  all(): Member[] {
    return [...this.byAddress.values()].sort((a, b) => a.address - b.address);
  }
}
