import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recoveryCosts, routeCosts } from './protocol-cost/costs.mjs';
import { documentedCosts } from './protocol-cost/documented.mjs';

/** Some eighty losses in bursts: what one of them costs scatters by as much. */
const LOSS_TOLERANCE = 0.35;

test('docs/recovery.md says what each recovery and each route costs on the wire', () => {
  const stated = documentedCosts();
  const recoveries = recoveryCosts({ packets: 4_000 });
  for (const { name, header, back, lossForth, lossBack } of recoveries) {
    const said = stated.get(name);
    assert.ok(said !== undefined, `${name} is in the table`);
    assert.deepEqual([name, header], [name, said.header]);
    assert.ok(Math.abs(back - said.back) <= 1, `${name}: ${back} bytes back a packet`);
    const near = (measured, documented) =>
      Math.abs(measured - documented) <= Math.max(60, LOSS_TOLERANCE * documented);
    assert.ok(near(lossForth, said.lossForth), `${name}: ${lossForth} bytes forth a loss`);
    assert.ok(near(lossBack, said.lossBack), `${name}: ${lossBack} bytes back a loss`);
  }
  for (const { name, header } of routeCosts({ packets: 500 }))
    assert.deepEqual([name, header], [name, stated.get(name)?.header]);
  assert.equal(stated.size, recoveries.length + 4, 'and nothing else');
});
