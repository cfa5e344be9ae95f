/** Whether `node_modules` is what the lockfile asks for. Compares versions: times mean nothing after a checkout. */

/** Why packages must be installed, in words; undefined when they are as the lockfile says. */
export function installNeed(lock, installed) {
  if (installed === undefined) return 'node_modules is not there';
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (path === '') continue;
    const found = installed.packages?.[path];
    // Optional packages are built for other machines as a rule, and then rightly absent.
    if (found === undefined && wanted.optional === true) continue;
    if (found === undefined) return `${nameOf(path)} is missing`;
    if (found.version !== wanted.version)
      return `${nameOf(path)} is ${found.version} and should be ${wanted.version}`;
  }
  return undefined;
}

/** Undefined when `version` satisfies `>=a.b.c`. */
export function nodeVersionFault(version, engines) {
  const floor = /^>=(\d+)\.(\d+)\.(\d+)$/.exec(engines)?.slice(1).map(Number);
  const have = version.split('.').map(Number);
  if (floor === undefined) return `engines.node '${engines}' is not of the form >=a.b.c`;
  for (let i = 0; i < 3; i++) {
    if (have[i] > floor[i]) return undefined;
    if (have[i] < floor[i]) return `Node ${version} is too old: ${engines} is needed`;
  }
  return undefined;
}

const nameOf = (path) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
