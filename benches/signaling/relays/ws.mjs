// A relay as people write it with `ws`: clients by id, messages by destination.
import { WebSocketServer } from 'ws';

const clients = new Map();
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096, perMessageDeflate: false });
server.on('connection', (socket, request) => {
  const id = new URL(request.url, 'http://x').searchParams.get('id');
  clients.set(id, socket);
  socket.on('message', (data) => {
    const { to, ...message } = JSON.parse(data);
    clients.get(to)?.send(JSON.stringify({ ...message, from: id }));
  });
  socket.on('close', () => clients.delete(id));
  socket.send('{"type":"open"}');
});
