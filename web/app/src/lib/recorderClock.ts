// The clock of a recording: answers with a message for each picture, from the first message on, which gives the period in milliseconds.
addEventListener('message', (event: MessageEvent<number>) => {
  setInterval(() => postMessage(null), event.data);
});
