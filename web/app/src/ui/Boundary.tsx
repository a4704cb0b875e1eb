import { Component, type ReactNode } from 'react';

/**
 * Keeps a failure in one part of the page from taking the rest with it: a call goes on although a panel could not be loaded, for instance because the
 * server has a newer version by now. Give it a `key` to try again.
 */
export class Boundary extends Component<{ fallback?: ReactNode; onError?: () => void; children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.props.onError?.();
  }

  override render(): ReactNode {
    return this.state.failed ? this.props.fallback : this.props.children;
  }
}
