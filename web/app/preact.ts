/**
 * The app is written for React and shipped with Preact, whose `compat` layer has the same interface in a tenth of the size. Only the app: the hooks of
 * `@parlour/react` name React, and their own tests run with it.
 */
export const alias = [
  { find: /^react$/, replacement: 'preact/compat' },
  { find: /^react\/jsx-(dev-)?runtime$/, replacement: 'preact/jsx-runtime' },
  { find: /^react-dom$/, replacement: 'preact/compat' },
  { find: /^react-dom\/client$/, replacement: 'preact/compat/client' },
  { find: /^react-dom\/test-utils$/, replacement: 'preact/test-utils' },
];
