// HTTP/2 without TLS, both ends: what they did is printed, a line of JSON a transaction.
// Modes: `mixed` (large bodies both ways between small requests), `many` (as many streams at once as the argument says),
// `calls` (in the manner of gRPC: status in trailers, a stream of small messages), `late` (some requests, `ready`, and others
// after its input has ended).
'use strict';
const http2 = require('node:http2');
const [address, port, mode, count] = process.argv.slice(2);

const server = http2.createServer();
server.on('stream', (stream, headers) => {
  const [, what, size] = headers[':path'].split('/');
  let asked = 0;
  stream.on('data', (chunk) => { asked += chunk.length; });
  stream.on('end', () => {
    if (what === 'call') {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '5', 'grpc-message': 'none' }));
      let left = Number(size);
      const next = () => (left-- > 0 ? stream.write(Buffer.alloc(1500, 1), next) : stream.end());
      next();
      return;
    }
    const answer = what === 'upload' ? Buffer.from(JSON.stringify({ asked })) : Buffer.alloc(Number(size), 120);
    stream.respond({ ':status': what === 'missing' ? 404 : 200, 'content-type': 'text/plain', 'x-number': size });
    stream.end(answer);
  });
});

function ask(client, method, path, body, headers) {
  return new Promise((resolve, reject) => {
    const stream = client.request({ ':method': method, ':path': path, 'x-trace': `${path}-${'t'.repeat(40)}`, ...headers },
      { endStream: body === undefined });
    let status = 0;
    let answered = 0;
    stream.on('response', (response) => { status = response[':status']; });
    stream.on('data', (chunk) => { answered += chunk.length; });
    stream.on('error', reject);
    stream.on('end', () => {
      console.log(JSON.stringify({ method, path, status, asked: body === undefined ? 0 : body.length, answered }));
      resolve();
    });
    if (body !== undefined) stream.end(body);
  });
}

async function main() {
  const client = http2.connect(`http://${address}:${port}`);
  const all = [];
  if (mode === 'mixed') {
    for (let round = 0; round < 10; round += 1) {
      const large = [
        ask(client, 'GET', `/large/2000${round}00`),
        ask(client, 'POST', `/upload/${round}`, Buffer.alloc(1_000_003 + round)),
      ];
      for (let small = 0; small < 15; small += 1) {
        await ask(client, 'GET', `/small/${round * 100 + small}`);
        await ask(client, 'PUT', `/missing/${round * 100 + small}`, Buffer.alloc(small));
      }
      await Promise.all(large);
    }
  } else if (mode === 'many') {
    for (let at = 0; at < Number(count); at += 1) all.push(ask(client, 'GET', `/small/${1000 + at}`));
  } else if (mode === 'late') {
    for (let at = 0; at < 5; at += 1) await ask(client, 'GET', `/small/${2000 + at}`);
    console.log('"ready"');
    await new Promise((resolve) => process.stdin.on('end', resolve).resume());
    for (let at = 0; at < 10; at += 1) await ask(client, 'GET', `/small/${at % 2 ? 2001 : 3000 + at}`);
  } else {
    for (let at = 0; at < 20; at += 1) {
      all.push(ask(client, 'POST', `/call/${at * 7}`, Buffer.alloc(100 + at), { 'content-type': 'application/grpc+proto', te: 'trailers' }));
    }
  }
  await Promise.all(all);
  client.close();
  server.close();
}
server.listen(Number(port), address, () => main().catch((error) => { console.error(error); process.exit(1); }));
