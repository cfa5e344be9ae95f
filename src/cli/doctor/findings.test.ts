import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FAKE_NOW, FAKE_STATUS } from '../fake-context.ts';
import { doctorView } from '../views/doctor-view.ts';
import { plainPaint } from '../views/paint.ts';
import {
  certificateFinding,
  clockFinding,
  daemonFinding,
  type Finding,
  linkFindings,
  memberFinding,
  nodeVersionFinding,
  permissionFindings,
  portFinding,
  socketBufferFinding,
  underlayFinding,
  worst,
} from './findings.ts';

/** A finding that is not ok has a fix, one that is ok has none. */
function expectFinding(finding: Finding, severity: Finding['severity'], fix?: RegExp): void {
  assert.equal(finding.severity, severity, finding.text);
  if (severity === 'ok') assert.equal(finding.fix, undefined);
  else assert.match(finding.fix ?? '', fix ?? /./);
}

describe('doctor', () => {
  test('an old Node is a problem that names the floor', () => {
    expectFinding(nodeVersionFinding('20.20.2', '20.20.0'), 'ok');
    expectFinding(nodeVersionFinding('22.0.0', '20.20.0'), 'ok');
    expectFinding(nodeVersionFinding('18.19.1', '20.20.0'), 'problem', /20\.20\.0/);
  });

  test('a clock in the past, stepped or not synchronized is found', () => {
    const clock = { now: FAKE_NOW, driftMs: 0.3, isSynchronized: true };
    expectFinding(clockFinding(clock), 'ok');
    expectFinding(clockFinding({ ...clock, isSynchronized: undefined }), 'ok');
    expectFinding(clockFinding({ ...clock, now: new Date(0) }), 'problem', /timesyncd/);
    expectFinding(clockFinding({ ...clock, driftMs: -400 }), 'warning');
    expectFinding(clockFinding({ ...clock, isSynchronized: false }), 'warning');
  });

  test('small socket buffers are found with the sysctl that mends exactly them', () => {
    const wanted = 4_194_304;
    expectFinding(socketBufferFinding({ receiveMax: wanted, sendMax: wanted }), 'ok');
    const low = socketBufferFinding({ receiveMax: 212_992, sendMax: wanted });
    expectFinding(low, 'warning', /^sysctl -w net\.core\.rmem_max=4194304 /);
    assert.doesNotMatch(low.fix ?? '', /wmem_max/);
    expectFinding(socketBufferFinding({ receiveMax: undefined, sendMax: undefined }), 'note');
  });

  test('a port clash names the tool that finds the other program', () => {
    const port = { address: '0.0.0.0:7420', fault: undefined, isOurs: false };
    expectFinding(portFinding(port), 'ok');
    expectFinding(portFinding({ ...port, isOurs: true }), 'ok');
    expectFinding(portFinding({ ...port, fault: 'EADDRINUSE' }), 'problem', /sport = :7420/);
    expectFinding(portFinding({ ...port, fault: 'EWHATEVER' }), 'problem');
  });

  test('reachability and MTU are judged for each neighbour', () => {
    const findings = linkFindings(FAKE_STATUS.links);
    const severities = findings.map((f) => `${f.check} ${f.severity}`);
    assert.deepEqual(severities, ['reachability ok', 'mtu ok', 'reachability problem']);
    assert.match(findings[2]!.fix ?? '', /firewall pass UDP to \[2001:db8::7\]:7420/);
    const small = { ...FAKE_STATUS.links[0]!, mtu: 1232, state: 'up' as const };
    expectFinding(linkFindings([small])[1]!, 'note');
    expectFinding(linkFindings([{ ...small, state: 'suspect' }])[0]!, 'warning');
    expectFinding(linkFindings([])[0]!, 'warning');
  });

  test('a fast underlay that cannot be had is a note with the reason', () => {
    const { underlay } = FAKE_STATUS;
    expectFinding(underlayFinding(FAKE_STATUS), 'ok');
    const asked = { ...underlay, kind: 'portable', reason: 'as configured' };
    expectFinding(underlayFinding({ ...FAKE_STATUS, underlay: asked }), 'ok');
    const lacking = { ...asked, reason: 'not Linux but darwin', isFallback: true };
    const finding = underlayFinding({ ...FAKE_STATUS, underlay: lacking });
    expectFinding(finding, 'note', /underlay: portable/);
    assert.match(finding.text, /portable \(not Linux but darwin\)/);
  });

  test('unreachable members are named', () => {
    const finding = memberFinding(FAKE_STATUS);
    expectFinding(finding, 'warning');
    assert.match(finding.text, /1 of 3 other nodes unreachable: WAS/);
  });

  test('a certificate warns at 30 days and is a problem from 7 on', () => {
    const inDays = (days: number): string =>
      new Date(FAKE_NOW.getTime() + days * 86_400_000).toISOString();
    const severities = [31, 29, 6, -1].map((d) => certificateFinding(inDays(d), FAKE_NOW).severity);
    assert.deepEqual(severities, ['ok', 'warning', 'problem', 'problem']);
    expectFinding(certificateFinding(inDays(-1), FAKE_NOW), 'problem', /invite/);
  });

  test('files that others can read are problems with the chmod that mends them', () => {
    const file = { path: '/s/root.json', mode: 0o600, isDirectory: false, isOwn: true };
    expectFinding(permissionFindings([file])[0]!, 'ok');
    expectFinding(permissionFindings([])[0]!, 'note', /overlane init/);
    const open = permissionFindings([{ ...file, mode: 0o644 }]);
    expectFinding(open[0]!, 'problem', /^chmod 600 \/s\/root\.json$/);
    const directory = permissionFindings([{ ...file, mode: 0o755, isDirectory: true }]);
    expectFinding(directory[0]!, 'problem', /^chmod 700/);
    expectFinding(permissionFindings([{ ...file, isOwn: false }])[0]!, 'problem', /^chown/);
  });

  test('the verdict is the worst finding, and each fix stands under its finding', () => {
    const findings = [nodeVersionFinding('22.0.0', '20.20.0'), daemonFinding(false, '/c.sock')];
    assert.equal(worst(findings), 'warning');
    assert.equal(
      doctorView(findings, plainPaint),
      [
        'ok       node-version  Node 22.0.0',
        'warning  daemon        no daemon answers on /c.sock',
        '         -> Start it with overlane up. What only a running daemon knows was not checked.',
        '',
        'no problems, 1 warning',
      ].join('\n'),
    );
  });
});
