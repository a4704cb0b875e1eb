// PeerJS's own server, with its limit on connections raised.
import { PeerServer } from 'peer';

PeerServer({ host: '127.0.0.1', port: Number(process.argv[2]), path: '/', concurrent_limit: 100_000, alive_timeout: 90_000 });
