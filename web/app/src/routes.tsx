import { lazy, StrictMode, Suspense, useMemo } from 'react';
import { parseRoute, usePath } from './lib/router.ts';
import { Broken } from './screens/Broken.tsx';
import { Call } from './screens/Call.tsx';
import { Home } from './screens/Home.tsx';
import { Loading } from './screens/Loading.tsx';
import { Unknown } from './screens/Unknown.tsx';
import { Boundary } from './ui/Boundary.tsx';

const Check = lazy(() => import('./screens/Check.tsx'));

/** The app: one page for each kind of address. */
export function App() {
  const path = usePath();
  const route = useMemo(() => {
    const url = new URL(path, 'http://here');
    return parseRoute(url.pathname, url.search);
  }, [path]);
  return (
    <StrictMode>
      <Boundary key={route.page} fallback={<Broken />}>
        <Suspense fallback={<Loading />}>
          {route.page === 'home' && <Home />}
          {route.page === 'room' && <Call key={route.room} name={route.room} query={route.query} />}
          {route.page === 'check' && <Check />}
          {route.page === 'unknown' && <Unknown />}
        </Suspense>
      </Boundary>
    </StrictMode>
  );
}
