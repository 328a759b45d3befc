/* Configs with one or two things changed, the same ones for the same seed. */

const VALUES = [null, true, false, 0, -1, 1, 2, 1.5, 64, 5000, 1e9, '', 'x', 'relu', 'Relu', 'same', 'SAME', 'valid', 'conv2d', 'Conv2D', 'circle', 'edge',
  'zeros', 'float32', [], {}, [1], [2, 2], [1, 2, 3], [[1, 1], [1, 1]], [[1, 0], [0, 1]], [null, 9, 9, 3], { class_name: 'relu', config: {} },
  { class_name: 'Ones', config: { seed: -1 } }, { name: 'circle' }];
const KEYS = ['type', 'class_name', 'config', 'name', 'layers', 'module', 'kernel', 'bias', 'seed', 'filters', 'kernel_size', 'strides', 'padding', 'pool_size',
  'activation', 'use_bias', 'input_shape', 'batch_input_shape', 'dtype', 'trainable', 'units', 'axis', 'stages', 'ops', 'render', 'input', 'gap', 'preset',
  'generator', 'size', 'modelTopology', 'model_config', 'build_config', 'foo'];

/* mulberry32 */
function random(seed) {
  return (n) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/* Every place in a document: an object or array, and a key in it. */
function places(value) {
  if (value === null || typeof value !== 'object') return [];
  return Object.keys(value).flatMap((key) => [[value, key], ...places(value[key])]);
}

function rename(object, from, to) {
  const entries = Object.entries(object).map(([key, value]) => [key === from ? to : key, value]);
  for (const key of Object.keys(object)) delete object[key];
  Object.assign(object, Object.fromEntries(entries));
}

function mutate(root, pick) {
  const all = places(root);
  if (all.length === 0) return;
  const [parent, key] = all[pick(all.length)], value = parent[key];
  const any = () => structuredClone(VALUES[pick(VALUES.length)]), list = Array.isArray(parent);
  switch (pick(8)) {
    case 0: if (list) parent.splice(key, 1); else delete parent[key]; break;
    case 1: if (list) parent.push(structuredClone(value)); else rename(parent, key, KEYS[pick(KEYS.length)]); break;
    case 2: if (list) parent.splice(key, 0, any()); else parent[KEYS[pick(KEYS.length)]] = any(); break;
    case 3: if (typeof value === 'number') parent[key] = value + pick(3) - 1; else parent[key] = any(); break;
    case 4: if (typeof value === 'number') parent[key] = -value; else if (typeof value === 'string') parent[key] = value.toUpperCase(); else parent[key] = [value]; break;
    case 5: if (typeof value === 'string') parent[key] = value.slice(0, -1); else parent[key] = any(); break;
    case 6: { const [other, name] = all[pick(all.length)]; parent[key] = structuredClone(other[name]); break; }
    default: parent[key] = any();
  }
}

export function* mutants(good, seed, n) {
  const pick = random(seed);
  for (let i = 0; i < n; i++) {
    const root = { root: structuredClone(good[pick(good.length)]) };
    for (let changes = 1 + pick(2); changes > 0; changes--) mutate(root.root, pick);
    yield root.root;
  }
}
