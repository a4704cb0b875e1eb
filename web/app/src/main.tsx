import './styles/tokens.css';
import './styles/base.css';
import { createRoot } from 'react-dom/client';
import { setLanguage } from './i18n/index.ts';
import { followTheme, getPrefs } from './lib/prefs.ts';
import { App } from './routes.tsx';

followTheme();
await setLanguage(getPrefs().language);

const root = document.getElementById('root');
if (root) createRoot(root).render(<App />);
