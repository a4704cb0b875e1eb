// Whatever a scenario starts is ended, also when the run is interrupted.
const undo = new Set();

/** Registers `action` (synchronous) for the end of the process; gives a function that takes it back. */
export function atExit(action) {
  undo.add(action);
  return () => undo.delete(action);
}

function cleanUp() {
  for (const action of [...undo].reverse()) {
    try { action(); } catch { /* the next one still has to run */ }
  }
  undo.clear();
}

process.once('exit', cleanUp);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => { cleanUp(); process.exit(1); });
