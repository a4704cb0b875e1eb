// A clock outside of the page's own thread, where timers are slowed down while the page is hidden. Each message is a time in milliseconds, answered once
// when it is over: what comes of a tick may take longer than a tick.
onmessage = ({ data }: MessageEvent<number>): void => {
  setTimeout(() => postMessage(null), data);
};
