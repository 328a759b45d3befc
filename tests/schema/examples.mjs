/* Configs that a reader must take, made from the server's own catalogues. */

/* Keras' snake case: MaxPooling2D is max_pooling2d. */
const snake = (name) => name.replace(/(?<=[a-z0-9])(?=[A-Z][a-z]|[A-Z]{2})|(?<=[A-Z])(?=[A-Z][a-z])/g, '_').toLowerCase();
const shout = (text) => text.toUpperCase();

const activations = ['relu', null, { class_name: 'relu', config: {} },
  { module: 'builtins', class_name: 'function', config: 'softmax', registered_name: 'function' }];
const initializers = ['ones', 'GlorotUniform', { class_name: 'RandomNormal', config: { mean: 0, stddev: 0.1, seed: 3 } },
  { module: 'keras.initializers', class_name: 'Zeros', config: {}, registered_name: null },
  'zero', 'one', 'uniform', 'normal', { class_name: 'VarianceScaling', config: { scale: 2, mode: 'FAN_OUT', distribution: 'untruncated_normal', seed: null } },
  { class_name: 'Constant', config: { value: -1.5 } }, { class_name: 'uniform', config: { minval: -1, maxval: 1, dtype: 'float32' } },
  { module: 'keras.initializers', class_name: 'OrthogonalInitializer', config: { gain: 0.5, seed: 7 }, registered_name: null },
  { class_name: 'IdentityInitializer' }];

/* Values of a parameter that mean something, in all their forms; the first is plain. */
function values({ name, type, min, max, values: names }) {
  const low = Math.max(min ?? 1, 1);
  switch (type) {
    case 'integer': return [low, low + 1];
    case 'pair': return [low, [low, low]];
    case 'number': return [Math.min(Math.max(0.5, min), max), 1];
    case 'sides': return [min, [min, min], [[min, min + 1], [min, min]]];
    case 'integers': return [[Math.max(min, -1)], Math.max(min, -1)];
    case 'numbers': return [0.5, null, [0.5, 1, 1, 2], [[[[1]]]], [[[0, 1, 2, 3]]]];
    case 'boolean': return [true, false];
    case 'choice': return [...names, ...names.map(shout)];
    case 'activation': return activations;
    case 'initializer': return initializers;
    default: throw new Error(`${name} is of an unknown type ${type}`);
  }
}

/* Objects of parameters for a kind: the least there must be, then each one in each form. */
export function parameters(kind) {
  const needed = kind.parameters.filter(({ required, name }) => required || name === 'pool_size');
  const least = Object.fromEntries(needed.map((row) => [row.name, values(row)[0]]));
  const numbers = kind.parameters.filter(({ type }) => type === 'numbers'); /* all or none */
  return [least, ...kind.parameters.flatMap((row) => values(row).map((value) => ({ ...least,
    ...Object.fromEntries((numbers.includes(row) ? numbers : [row]).map(({ name }) => [name, value])) })))];
}

/* A layer in every spelling: flat and as Keras writes it, under every name. */
export function spellings(kind, params) {
  const names = [kind.class_name, ...kind.aliases];
  return [
    ...[...names, ...names.map(shout), snake(kind.class_name)].flatMap((name) => [
      { type: name, ...params }, { class_name: name, ...params, name: 'a/b' }, { class_name: name, config: params }]),
  ];
}

/* Every form of a document around Keras' layers, of both generations. */
export function documents(kind, params) {
  return [kind.class_name, ...kind.aliases].flatMap((class_name) => {
    const old = { class_name, config: { name: 'x', trainable: true, dtype: 'float32', ...params } };
    const layer = { module: 'keras.layers', class_name, config: { name: 'x', ...params }, registered_name: null,
      build_config: { input_shape: [null, 16, 16, 4] } };
    const input = { class_name: 'InputLayer', config: { batch_input_shape: [null, 16, null, 4], dtype: 'float32', sparse: false, ragged: false, name: 'in' } };
    const model = { class_name: 'Sequential', config: { name: 'sequential', layers: [input, old] }, keras_version: '2.11.0', backend: 'tensorflow' };
    const policy = { module: 'keras', class_name: 'DTypePolicy', config: { name: 'float32' }, registered_name: null };
    const keras3 = { module: 'keras', class_name: 'Sequential', config: { name: 's', trainable: true, dtype: policy, layers: [layer], build_input_shape: [null, 16, 16, 4] },
        registered_name: null, build_config: {}, compile_config: {} };
    return [
      model, model.config, { class_name: 'Sequential', config: [old] }, ...(kind.keras.includes(3) ? [keras3] : []),
      { format: 'layers-model', generatedBy: 'keras v2.11', convertedBy: null, weightsManifest: [], modelTopology: { keras_version: '2.11.0', backend: 'tensorflow', model_config: model } },
      { modelTopology: model }, { model_config: model, training_config: {} },
    ];
  });
}

/* Request documents: all kinds of options, with layers and without. */
export const requests = [
  {}, { preset: 'edges', render: { colormap: 'viridis' } },
  { kernel: 'edge', conv_stride: 2, pool_size: [3, 2], conv_padding: 'SAME', activation: 'tanh' },
  { kernel: [[1, 0], [0, 1]], ops: 'Filter,Condense' }, { kernel: '[[1,2],[3,4]]' }, { kernel: ['blur'] },
  { layers: [{ type: 'relu' }], input: { color: 'gray', mean: [0.5], std: 2, background: '#ff0080' },
    stages: ['Input', 're_lu'], render: { gap: 2, layout: 'mosaic', range: [0, 1.5], normalize: 'stage' }, seed: 7 },
  { layers: [{ type: 'conv2d', kernel: ['edge', 'blur'], bias: [0, 1], seed: 3, input_shape: [null, null, 1] }], scale: [4] },
  { layers: [{ type: 'conv2d', kernel: [[[[1, 2]]]], bias: 0.5 }], background: [1, 2, 3], split_activation: true, format: 'npz' },
  ...[true, false, 'one,two', ['one', 'two']].map((titles) => ({ layers: [{ type: 'relu' }], titles, dpi: 72.5, shapes: false, format: 'figure' })),
  { layers: [{ type: 'input_layer', shape: [16, 16, 4] }, { type: 'relu', name: null }], generator: { name: 'circle', size: [16, 16], r_shrink: 1, val: 1 } },
  { layers: [{ type: 'relu' }], input: 'two_dots', x: 3, y: 5, size: 16 },
  { layers: [{ type: 'normalization', axis: null, mean: 1, variance: 2 }, { type: 'normalization', axis: [] }] },
];

/* What nobody may send, and what is wrong with it. */
const conv = { type: 'conv2d', filters: 2, kernel_size: 3 };
const keras = (layer) => ({ class_name: 'Sequential', config: { name: 's', layers: [layer] } });
export const bad = {
  'no document': [null, 42, 'conv2d', true],
  'no layers': [[], { layers: [] }, { layers: {} }, { layers: null }, [{ type: 'input_layer', shape: [9, 9, 1] }]],
  'no layer': [[null], [[]], ['conv2d'], [{}], [{ config: {} }]],
  'a class that is none': [[{ type: 'conv9d' }], [{ type: 3 }], [{ type: 'Lambda' }], [{ class_name: 'relu', type: 'relu' }],
    keras({ class_name: 'conv2D', config: { filters: 2, kernel_size: 3 } }), keras({ class_name: 'relu', config: {} }), keras(conv),
    { class_name: 'Functional', config: { layers: [] } }, keras({ class_name: 'Sequential', config: { layers: [] } }),
    keras({ module: 'keras.layers', class_name: 'ThresholdedReLU', config: {} })],
  'a key that is none': [[{ ...conv, kernal: 1 }], [{ ...conv, pool_size: 2 }], [{ class_name: 'Conv2D', config: conv }],
    { layers: [conv], strides: 1 }, { layers: [conv], render: { gamm: 1 } }, { layers: [conv], render: 'png' }, { layer: [conv] },
    { ...keras({ class_name: 'ReLU', config: {} }), keras: 3 }, [{ type: 'input_layer', shape: [9, 9, 1], foo: 1 }, { type: 'relu' }],
    [{ type: 'dense', units: 2, kernel: [[1]] }], [{ type: 'depthwise_conv2d', kernel_size: 3, seed: 1 }]],
  'a type that is wrong': [[{ ...conv, filters: '8' }], [{ ...conv, filters: true }], [{ ...conv, filters: null }], [{ ...conv, filters: [2] }],
    [{ ...conv, kernel_size: [3] }], [{ ...conv, kernel_size: [3, 3, 3] }], [{ ...conv, use_bias: 1 }], [{ ...conv, padding: 1 }],
    [{ ...conv, activation: 3 }], [{ ...conv, activation: {} }], [{ ...conv, kernel_initializer: null }], [{ ...conv, name: 7 }],
    [{ type: 'zero_padding2d', padding: [[1, 1], [1, 1], [1, 1]] }], [{ ...conv, dtype: 'float16' }], [{ ...conv, dtype: {} }],
    ...[[], 'scale', { scale: '2' }, { scale: 0 }, { mode: 'fan' }, { mode: 1 }, { gain: 1 }, { seed: -1 }, null].map((config) =>
      [{ ...conv, kernel_initializer: { class_name: 'VarianceScaling', config } }]),
    ...['0.5', true, {}, []].map((mean) => [{ type: 'normalization', mean, variance: 1 }]), [{ type: 'normalization', mean: 1, variance: -1 }],
    [{ ...conv, quantization_config: {} }], [{ type: 'dropout', rate: '0.5' }],
    { layers: [conv], gap: '1' }, { layers: [conv], stages: [] }, { layers: [conv], split_activation: 'true' },
    ...[1, [], [true], ''].map((titles) => ({ layers: [conv], titles })), { layers: [conv], dpi: '72' }],
  'a number out of range': [[{ ...conv, filters: 0 }], [{ ...conv, filters: 1.5 }], [{ ...conv, filters: 4097 }], [{ ...conv, kernel_size: [3, 64] }],
    [{ ...conv, strides: 0 }], [{ ...conv, strides: 2147483648 }], [{ ...conv, seed: -1 }], [{ type: 're_lu', max_value: -1 }],
    [{ type: 'batch_normalization', epsilon: -1 }], [{ type: 'dropout', rate: 1.5 }], [{ type: 'gaussian_noise', stddev: -1 }], { layers: [conv], gap: -1 }, { layers: [conv], input: { background: [0, 0, 256] } },
    [{ type: 'relu', input_shape: [9, 9, null] }], [{ type: 'relu', batch_input_shape: [null, 9, 9] }]],
  'a name that is none': [[{ ...conv, padding: 'full' }], [{ ...conv, activation: 'Relu' }], [{ ...conv, kernel_initializer: 'zeroes' }], [{ ...conv, kernel_initializer: { class_name: 'Zero', config: {} } }],
    [{ type: 'conv2d', kernel: 'edg' }], [{ type: 'conv2d', kernel: [1, 2] }], [{ type: 'conv2d', kernel: [[]] }], { preset: 'vgg17' },
    { layers: [conv], render: { colormap: 'jet' } }, { activation: 'Relu' }, { conv_padding: 'full' },
    ...['', '../x', 'a/./b', '/a', 'a/', 'a\nb', 'Input', 'x'.repeat(129)].map((name) => [{ ...conv, name }])],
  'what is missing': [[{ type: 'conv2d' }], [{ type: 'conv2d', filters: 2 }], [{ type: 'average_pooling2d' }], [{ type: 'activation' }], [{ type: 'dropout' }], [{ type: 'gaussian_noise', rate: 1 }],
    [{ type: 'input_layer' }, { type: 'relu' }], keras({ class_name: 'Conv2D' }), { class_name: 'Sequential' }, { layers: [conv], generator: {} },
    [{ module: 'keras.layers', class_name: 'AveragePooling2D', config: {} }]],
  'two that exclude each other': [[{ ...conv, bias: 1, use_bias: false }], { layers: [conv], kernel: 'edge' }, { layers: [conv], preset: 'vgg16' },
    { layers: [conv], input: { conv_stride: 1 } }, { preset: 'edges', kernel: 'edge' }, { stages: ['a'], ops: ['a'] },
    [{ type: 'input_layer', shape: [9, 9, 1], batch_shape: [null, 9, 9, 1] }, { type: 'relu' }], [conv, { type: 'input_layer', shape: [9, 9, 1] }]],
};
