/*
 * The page in a real browser, against the real server. Every test also fails if the page
 * logs an error, or asks anyone but the server for anything.
 *
 * CONVSCOPE_BIN names the server's binary, CONVSCOPE_URL a server that runs already;
 * SCREENSHOTS a folder to leave pictures of the page in.
 */
import { after, afterEach, before, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { startServer } from '../http/service.mjs';

const CIRCLE_PNG = new URL('../data/lesson/s1_input_1to1.png', import.meta.url);
const screenshots = process.env.SCREENSHOTS;
let browser, server, base, page, faults;

before(async () => {
  server = await startServer();
  base = server.url;
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox',
    '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'] });
});

after(async () => {
  await browser?.close();
  if (server) assert.equal(await server.stop(), 0);
});

beforeEach(async () => {
  faults = [];
  page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    /* The browser itself notes every answer of 400 and above. */
    const refused = message.text().startsWith('Failed to load resource') && message.text().includes('422');
    if (message.type() === 'error' && !refused) faults.push(message.text());
  });
  page.on('request', (request) => {
    const foreign = !/^(data|blob):/.test(request.url()) && !request.url().startsWith(base);
    if (foreign) faults.push(`asked for ${request.url()}`);
  });
  await page.goto(base);
});

afterEach(async (t) => {
  if (screenshots) await page.screenshot({ path: `${screenshots}/${t.name.replaceAll(' ', '_')}.png`, fullPage: true });
  await page.close();
  assert.deepEqual(faults, []);
});

/* Wait until the pictures have these widths; the picture itself, not what is claimed. */
async function widths(...expected) {
  await page.waitForFunction((wanted) => {
    const images = [...document.querySelectorAll('#stages .frame img')];
    return images.every((image) => image.complete && image.naturalWidth) &&
      JSON.stringify(images.map((image) => image.naturalWidth)) === JSON.stringify(wanted);
  }, expected, { timeout: 10000 });
}

test('the circle in four pictures', async () => {
  await widths(64, 62, 62, 31);
  assert.deepEqual(await page.locator('.stage h2').allInnerTexts().then((all) => all.map((text) => text.replace(/\s+/g, ' '))),
    ['Input 64 × 64 × 1', 'Filter 62 × 62 × 1', 'Detect 62 × 62 × 1', 'Condense 31 × 31 × 1']);
  assert.match(await page.textContent('#status'), /^4 stages in /);
});

test('a stride of three', async () => {
  await widths(64, 62, 62, 31);
  await page.fill('[name=conv_stride]', '3');
  await widths(64, 21, 21, 11);
  assert.match(await page.textContent('#curl'), /conv_stride=3/);
});

test('same padding and another colour map', async () => {
  await page.selectOption('[name=conv_padding]', 'same');
  await page.selectOption('[name=colormap]', 'viridis');
  await widths(64, 64, 64, 32);
});

test('the kernel edited by hand', async () => {
  await widths(64, 62, 62, 31);
  await page.locator('#cells input').nth(4).fill('8');
  assert.equal(await page.inputValue('#kernel'), 'custom');
  await page.waitForFunction(() => document.querySelectorAll('.stage dd')[2].textContent.startsWith('−4 to 9'), null, { timeout: 10000 })
    .catch(async () => assert.fail(`values: ${await page.locator('.stage').nth(1).innerText()}`));
});

test('an uploaded picture', async () => {
  await page.setInputFiles('#file', { name: 'circle.png', mimeType: 'image/png', buffer: readFileSync(CIRCLE_PNG) });
  await page.waitForFunction(() => document.getElementById('curl').textContent.includes('image=@circle.png'));
  await widths(64, 62, 62, 31);
  await page.click('#circle');
  await page.waitForFunction(() => document.getElementById('curl').textContent.includes('input=circle'));
});

test('a photograph', { skip: !process.env.PHOTOGRAPH && 'PHOTOGRAPH names none' }, async () => {
  await page.setInputFiles('#file', process.env.PHOTOGRAPH);
  await page.waitForFunction(() => document.querySelector('.frame img')?.naturalWidth > 64);
});

test('layers of your own', async () => {
  await page.click('#advanced summary');
  await page.click('#example');
  await page.waitForFunction(() => [...document.querySelectorAll('.stage h2')].map((h) => h.firstChild.textContent).join() === 'Input,edges,pool');
});

test('an error says what is wrong and where', async () => {
  await widths(64, 62, 62, 31);
  await page.click('#advanced summary');
  await page.fill('#config', '[{"type": "conv9d"}]');
  await page.waitForSelector('#problem:not([hidden])');
  assert.match(await page.textContent('#problem'), /conv9d/);
  assert.match(await page.textContent('#problem code'), /\/0\/type/);
  await page.fill('#config', '');
  await page.waitForSelector('#problem', { state: 'hidden' });
  await widths(64, 62, 62, 31);
});

test('the window follows the keyboard', async () => {
  await widths(64, 62, 62, 31);
  await page.locator('.frame').nth(3).focus();
  assert.equal(await page.locator('.window').count(), 4);
  await page.keyboard.press('ArrowRight');
  assert.match(await page.locator('.stage').nth(3).locator('.cell').innerText(), /^\[15, 16\] = /);
});

test('all stages can be saved as one figure', async () => {
  await widths(64, 62, 62, 31);
  for (const [name, start] of [['png', '\x89PNG'], ['svg', '<?xml'], ['pdf', '%PDF']]) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.click(`#save button:text-is("${name.toUpperCase()}")`)]);
    assert.equal(download.suggestedFilename(), `convscope.${name}`);
    assert.ok(readFileSync(await download.path(), 'latin1').startsWith(start), name);
  }
});

/* Pictures in it, and sharp ones, though its policy allows nothing else. */
test('an SVG can be opened', async () => {
  await page.goto(`${base}v1/extract?input=circle&size=16&val=1&format=svg&ops=Input&subplot_shape=1,1&titles=false&figsize=5,5`);
  const shot = await page.screenshot({ clip: { x: 0, y: 0, width: 480, height: 480 } });
  const colours = await page.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const { data: bytes } = context.getImageData(0, 0, image.width, image.height), seen = {};
    for (let i = 0; i < bytes.length; i += 4) seen[bytes.slice(i, i + 3)] = (seen[bytes.slice(i, i + 3)] ?? 0) + 1;
    return seen;
  }, shot.toString('base64'));
  assert.ok(colours['0,0,3'] > 50000, JSON.stringify(colours).slice(0, 200));
  assert.ok(colours['251,252,191'] > 10000, JSON.stringify(colours).slice(0, 200));
  assert.ok(Object.keys(colours).length < 20, `${Object.keys(colours).length} colours: cells are smooth`);
});

test('a browser reads the multipart reply', async () => {
  const parts = await page.evaluate(async () => {
    const reply = await fetch('v1/extract?input=circle&val=1&format=multipart');
    const form = await reply.formData(), sizes = {};
    for (const [name, part] of form) {
      const bitmap = part instanceof File && part.type === 'image/png' ? await createImageBitmap(part) : null;
      sizes[name] = bitmap ? [part.name, bitmap.width, bitmap.height] : Object.keys(JSON.parse(await (part.text?.() ?? part)));
    }
    return sizes;
  });
  assert.deepEqual(Object.keys(parts), ['meta', 'Input', 'Filter', 'Detect', 'Condense']);
  assert.ok(parts.meta.includes('stages'));
  assert.deepEqual(parts.Filter, ['01_Filter.png', 62, 62]);
});

test('the window slides', async () => {
  await widths(64, 62, 62, 31);
  await page.click('#slide summary');
  await page.waitForFunction(() => [...document.querySelectorAll('#slide img')].every((image) => image.complete && image.naturalWidth > 300));
  const before = await page.getAttribute('#slide-filter', 'src');
  await page.fill('[name=conv_stride]', '2');
  await page.waitForFunction((old) => document.querySelector('#slide-filter').getAttribute('src') !== old, before);
  await page.waitForFunction(() => document.querySelector('#slide-filter').complete);
});

test('dark and narrow', async () => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 390, height: 844 });
  await widths(64, 62, 62, 31);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `the page is ${overflow} px too wide`);
});
