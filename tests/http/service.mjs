/*
 * The server under test, as a child process: service.py's part for tests in JavaScript.
 *
 * CONVSCOPE_BIN names the server's binary, else it is build/release/convscope;
 * CONVSCOPE_URL a server that runs already.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

const OURS = ['CONVSCOPE_BIN', 'CONVSCOPE_ORACLE']; /* of which the server knows nothing */

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  return port;
}

/* { url, stop() }: the URL ends with a slash; stop waits, and returns the exit status. */
export async function startServer() {
  if (process.env.CONVSCOPE_URL) return { url: process.env.CONVSCOPE_URL, stop: async () => 0 };
  const binary = process.env.CONVSCOPE_BIN ?? new URL('../../build/release/convscope', import.meta.url).pathname;
  const port = await freePort(), url = `http://127.0.0.1:${port}/`;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OURS.includes(name)));
  const server = spawn(binary, ['--bind', `127.0.0.1:${port}`], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const stop = async () => {
    server.kill('SIGTERM');
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
    return server.exitCode;
  };
  for (let tries = 0; tries < 200 && server.exitCode === null; tries++) {
    if (await fetch(`${url}readyz`).then((reply) => reply.ok, () => false)) return { url, stop };
    await new Promise((done) => setTimeout(done, 50));
  }
  await stop();
  throw new Error(`${binary} did not become ready`);
}
