// A relay as people write it with Socket.IO: each client is in a room of its own name.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const io = new Server(http, { transports: ['websocket'], pingInterval: 25_000 });
io.on('connection', (socket) => {
  const { id } = socket.handshake.query;
  socket.join(id);
  socket.on('signal', ({ to, ...message }) => io.to(to).emit('signal', { ...message, from: id }));
});
http.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 });
