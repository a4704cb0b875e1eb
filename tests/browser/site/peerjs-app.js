// What an app does with PeerJS, in the words of its README.
globalThis.log = [];

/** Opens a Peer; gives its id, or the type of the error. */
globalThis.open = (id, options) => new Promise((resolve) => {
  const peer = id === null ? new Peer(options) : new Peer(id, options);
  globalThis.peer = peer;
  peer.on('open', (own) => resolve(own));
  peer.on('error', (error) => { log.push(error.type); resolve(`error: ${error.type}`); });
  peer.on('disconnected', () => log.push('disconnected'));
  peer.on('connection', (connection) => { globalThis.incoming = connection; listen(connection); });
  peer.on('call', async (call) => {
    call.answer(await navigator.mediaDevices.getUserMedia({ video: true, audio: true }));
    show(call);
  });
});

globalThis.listen = (connection) => {
  connection.on('data', async (data) => {
    const bytes = data instanceof Blob ? await data.arrayBuffer() : data.buffer ?? data;
    if (bytes instanceof ArrayBuffer) globalThis.file = { size: bytes.byteLength, hash: await digest(bytes) };
    else log.push(data);
  });
  connection.on('close', () => log.push('closed'));
};

globalThis.connect = (id, options) => new Promise((resolve) => {
  const connection = peer.connect(id, options);
  globalThis.outgoing = connection;
  listen(connection);
  connection.on('open', () => resolve('open'));
});

globalThis.call = async (id) => show(peer.call(id, await navigator.mediaDevices.getUserMedia({ video: true, audio: true })));

globalThis.show = (call) => {
  globalThis.mediaCall = call;
  call.on('stream', (stream) => { document.getElementById('them').srcObject = stream; });
  call.on('close', () => log.push('call closed'));
};

/** Bytes that look random and are the same everywhere. */
globalThis.bytes = (size) => {
  const words = new Uint32Array(size / 4);
  let state = 1;
  for (let n = 0; n < words.length; n++) { state = Math.imul(state, 1664525) + 1013904223; words[n] = state; }
  return words.buffer;
};

/** 64 bits of FNV-1a over the words, in two halves: pages on plain HTTP have no crypto.subtle. */
globalThis.digest = (buffer) => {
  let [a, b] = [0x811c9dc5, 0xcbf29ce4];
  for (const word of new Uint32Array(buffer.slice(0))) { a = Math.imul(a ^ word, 0x01000193); b = Math.imul(b ^ a, 0x85ebca6b); }
  return `${a >>> 0}-${b >>> 0}`;
};
