/**
 * Where received files go: sinks for `IncomingFile.accept`. An entry of its own, `@parlour/client/files`, so that pages that need none do not load it.
 *
 * @module
 */
export { memorySink, opfsSink, writableSink } from './sinks.ts';
