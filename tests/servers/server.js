// A server on Node's own http module whose log is an independent truth: one JSON line a transaction with the bytes that
// its socket counted since the transaction before it, one line a connection when it ends.
// Usage: node server.js ADDRESS PORT LOG
'use strict';
const fs = require('fs');
const http = require('http');

const [address, port, path] = process.argv.slice(2);
const log = fs.openSync(path, 'a');
const tell = (line) => fs.writeSync(log, JSON.stringify(line) + '\n');

const routes = {
  bytes: (request, response, argument) => plain(request, response, Number(argument)),
  slow: (request, response, argument) => setTimeout(() => plain(request, response, 16), Number(argument)),
  upload: (request, response, _, received) => {
    response.writeHead(201);
    response.end(String(received));
  },
  chunked: (request, response, argument) => {
    response.writeHead(200);
    for (let piece = 0; piece < Number(argument); piece++) response.write(`piece ${piece}\n`);
    response.end();
  },
  status: (request, response, argument) => {
    response.writeHead(Number(argument));
    response.end();
  },
};

function plain(request, response, size) {
  response.writeHead(200, { 'Content-Length': size });
  response.end(request.method === 'HEAD' ? undefined : Buffer.alloc(size, 'n'));
}

function serve(request, response) {
  const socket = request.socket;
  let decoded = 0;
  request.on('data', (piece) => { decoded += piece.length; });
  request.on('end', () => {
    const [, word, argument] = request.url.split('?')[0].split('/');
    routes[word](request, response, argument, decoded);
  });
  response.on('finish', () => {
    const seen = socket.seen || { read: 0, written: 0 };
    tell({
      method: request.method,
      target: request.url,
      status: response.statusCode,
      client_port: socket.truthPort,
      request_bytes: socket.bytesRead - seen.read,
      response_bytes: socket.bytesWritten - seen.written,
      decoded_request_bytes: decoded,
      pid: process.pid,
    });
    socket.seen = { read: socket.bytesRead, written: socket.bytesWritten };
  });
}

const server = http.createServer(serve);
server.on('connection', (socket) => {
  socket.truthPort = socket.remotePort;
  socket.on('close', () => tell({
    connection: socket.truthPort,
    bytes_read: socket.bytesRead,
    bytes_written: socket.bytesWritten,
  }));
});
server.listen(Number(port), address, () => console.log('ready'));
