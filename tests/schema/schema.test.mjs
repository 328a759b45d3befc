/*
 * GET /v1/config.schema.json, by a validator that is not ours, held against the server:
 * what the schema refuses the server refuses too.
 *
 * CONVSCOPE_ORACLE names the conformance oracle's directory, if it is elsewhere.
 */
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import { startServer } from '../http/service.mjs';
import { bad, documents, parameters, requests, spellings } from './examples.mjs';
import { mutants } from './mutate.mjs';

const oracle = `${process.env.CONVSCOPE_ORACLE ?? new URL('../../../shared/oracle', import.meta.url).pathname}/cases/public`;
const MUTANTS = Number(process.env.MUTANTS ?? 2000);
let server, schema, validate, kinds, presets;

const get = (path, headers = {}) => fetch(server.url + path, { headers });
const json = async (path) => (await get(path)).json();
const show = (config) => JSON.stringify(config).slice(0, 300);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/* The server's verdict: the status, and what it says. */
async function plan(config, shape = '16,16,4') {
  const form = new FormData();
  form.append('config', JSON.stringify(config));
  const reply = await fetch(`${server.url}v1/plan?input_shape=${shape}`, { method: 'POST', body: form });
  return { status: reply.status, ...await reply.json() };
}

function assertValid(config) {
  assert.ok(validate(config), `${show(config)}: ${JSON.stringify(validate.errors)}`);
}

before(async () => {
  server = await startServer();
  schema = await json('v1/config.schema.json');
  /* Shapes and lists of layers differ at their first items by design. */
  validate = new Ajv({ strict: true, strictTuples: false, allowUnionTypes: true }).compile(schema);
  kinds = (await json('v1/layers')).layers;
  presets = (await json('v1/presets')).presets;
});

after(async () => {
  if (server) assert.equal(await server.stop(), 0);
});

test('the schema is served as one, with a tag', async () => {
  const reply = await get('v1/config.schema.json'), tag = reply.headers.get('etag');
  assert.equal(reply.headers.get('content-type'), 'application/schema+json');
  assert.match(tag, /^"[0-9a-f]+"$/);
  assert.equal((await get('v1/config.schema.json', { 'If-None-Match': tag })).status, 304);
});

test('the schema is valid JSON Schema 2020-12', () => {
  const ajv = new Ajv();
  assert.equal(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
  assert.ok(ajv.validateSchema(schema), JSON.stringify(ajv.errors));
});

test('every reference leads somewhere, and nothing is defined in vain', () => {
  const used = new Set([...JSON.stringify(schema).matchAll(/"\$ref":"#\/\$defs\/([^"]+)"/g)].map((match) => match[1]));
  assert.deepEqual([...used].sort(), Object.keys(schema.$defs).sort());
});

test('every preset is valid, planned, and the same by its own name', async () => {
  assert.ok(presets.length >= 8);
  for (const { name, config } of presets) {
    assertValid(config);
    assert.deepEqual(await json(`v1/presets/${name}`), config);
    const wide = JSON.stringify(config).includes('null,3]') ? 3 : 1;
    const { status, layers, detail } = await plan(config, `64,64,${wide}`);
    assert.equal(status, 200, `${name}: ${detail}`);
    assert.equal(layers.length, config.layers.filter(({ type }) => type !== 'input_layer').length);
  }
});

test('the examples of the README', async () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const good = [...readme.matchAll(/<<'END'\n(.*?)\nEND|echo '([[{].*?)' >|-d '([[{].*?)'/gs)].map((match) => JSON.parse(match[1] ?? match[2] ?? match[3]));
  const refused = [...readme.matchAll(/config=([[{].*?)'/gs)].map((match) => JSON.parse(match[1]));
  assert.ok(good.length >= 2 && refused.length >= 1);
  for (const config of good) assertValid(config);
  for (const config of refused) assert.ok(!validate(config), show(config));
  assert.ok(readme.includes(`preset=${presets.map(({ name }) => name).join(' ')}`), 'the README should list the presets');
});

test('every kind of layer, every parameter, in every spelling', async () => {
  let n = 0;
  for (const kind of kinds)
    for (const params of parameters(kind)) {
      const layers = spellings(kind, params);
      for (const config of [...layers.map((layer) => [layer]), ...documents(kind, params)]) {
        assertValid(config);
        n++;
      }
      const { status, code, detail } = await plan([layers[0]]);
      assert.ok(status === 200 || code === 'config_invalid' && /input|channels|axis|shape|groups|stride/.test(detail), `${show(layers[0])}: ${detail}`);
    }
  console.log(`# ${n} configs of ${kinds.length} kinds`);
});

test('request documents', async () => {
  for (const config of requests) {
    assertValid(config);
    const { status, detail } = await plan(config, '16,16,1');
    assert.ok(status === 200 || /declares/.test(detail), `${show(config)}: ${detail}`);
  }
});

for (const [what, configs] of Object.entries(bad))
  test(`refused by both: ${what}`, async () => {
    for (const config of configs) {
      assert.ok(!validate(config), `the schema takes ${show(config)}`);
      const { status } = await plan(config, '16,16,1');
      assert.ok(status >= 400 && status < 500, `the server answers ${show(config)} with ${status}`);
    }
  });

/* Rules that no shape and no weight is needed for. */
const EXPRESSIBLE = /not_positive|wrong_length|wrong_type|missing_field|unknown_|channels_first|layer_name|empty_layers|^range$|^axis$/;

test('the oracle: valid cases and invalid documents', { skip: !existsSync(oracle) && `there is no oracle in ${oracle}` }, () => {
  const cases = readJson(`${oracle}/index.json`), ids = (cases.cases ?? cases).map((row) => row.id ?? row);
  for (const id of ids) assertValid(readJson(`${oracle}/${id}/config.json`));
  const invalid = readJson(`${oracle}/invalid.json`), documents = invalid.filter((entry) => entry.config);
  const taken = documents.filter(({ config }) => validate(config));
  for (const { id, rule, level, reason } of taken)
    assert.ok(level === 'either' || !EXPRESSIBLE.test(rule), `${id}: ${reason}`);
  console.log(`# ${ids.length} cases are valid; of ${invalid.length} invalid ones ${invalid.length - documents.length} are no JSON text of moderate depth, ` +
    `the schema refuses ${documents.length - taken.length}, and takes ${taken.length}: ${taken.map(({ id, rule }) => `${id} ${rule}`).join(', ')}`);
});

test('what the schema refuses the server refuses', async () => {
  const good = [...presets.map(({ config }) => config), ...requests,
    ...kinds.flatMap((kind) => parameters(kind).slice(0, 3).flatMap((params) => [[spellings(kind, params)[0]], ...documents(kind, params).slice(0, 5)]))];
  const count = { 'both take': 0, 'both refuse': 0, 'only the server refuses': 0 };
  const queue = mutants(good, 20231, MUTANTS);
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let mutant = queue.next(); !mutant.done; mutant = queue.next()) {
      const config = mutant.value, valid = validate(config);
      const errors = JSON.stringify(validate.errors), shape = JSON.stringify(config).includes('[null,16,') ? '16,16,4' : '64,64,3';
      const { status, detail } = await plan(config, shape);
      assert.ok(status === 200 || status >= 400 && status < 500, `${status} for ${show(config)}`);
      assert.ok(valid || status !== 200, `only the schema refuses ${JSON.stringify(config)}: ${errors}`);
      count[status === 200 ? 'both take' : valid ? 'only the server refuses' : 'both refuse']++;
      if (process.env.VERBOSE && valid && status !== 200) console.log(`# ${detail}: ${show(config)}`);
    }
  }));
  console.log(`# of ${MUTANTS} mutants: ${Object.entries(count).map(([what, n]) => `${what} ${n}`).join(', ')}`);
  assert.ok(count['both take'] > MUTANTS / 20 && count['both refuse'] > MUTANTS / 4);
});
