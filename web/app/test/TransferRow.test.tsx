import { type TransferSnapshot, ParlourError } from '@parlour/client';
import { cleanup, fireEvent, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TransferRow } from '../src/panels/TransferRow.tsx';

afterEach(cleanup);

const transfer = (more: Partial<TransferSnapshot>): TransferSnapshot => ({
  id: 't1',
  direction: 'receive',
  peer: 'p1',
  peerName: 'Ben',
  name: 'plan.pdf',
  type: 'application/pdf',
  size: 4_000_000,
  bytes: 0,
  rate: 0,
  remaining: null,
  state: 'offered',
  pausedBy: null,
  error: null,
  ...more,
});

const show = (more: Partial<TransferSnapshot>) => {
  const actions = { accept: vi.fn(), decline: vi.fn(), pause: vi.fn(), resume: vi.fn(), cancel: vi.fn(), save: vi.fn() };
  render(
    <ul>
      <TransferRow transfer={transfer(more)} actions={actions} />
    </ul>,
  );
  return actions;
};

describe('a file in the list', () => {
  it('that is offered can be accepted or declined', () => {
    const actions = show({});
    expect(screen.getByText('From Ben')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Accept plan.pdf' }));
    fireEvent.click(screen.getByRole('button', { name: 'Decline plan.pdf' }));
    expect(actions.accept).toHaveBeenCalledOnce();
    expect(actions.decline).toHaveBeenCalledOnce();
  });

  it('that runs shows progress, rate and remaining time', () => {
    const actions = show({ state: 'active', bytes: 1_000_000, rate: 500_000, remaining: 6 });
    expect(screen.getByRole('progressbar').getAttribute('value')).toBe('25');
    expect(screen.getByText('1 MB of 4 MB · 500 kB/s · 0:06 left')).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Pause plan.pdf' }));
    expect(actions.pause).toHaveBeenCalledOnce();
  });

  it('that was paused here can be continued', () => {
    const actions = show({ state: 'paused', pausedBy: 'you' });
    fireEvent.click(screen.getByRole('button', { name: 'Continue plan.pdf' }));
    expect(actions.resume).toHaveBeenCalledOnce();
  });

  it('whose connection broke says that it goes on by itself', () => {
    show({ state: 'interrupted', bytes: 10 });
    expect(screen.getByText(/goes on by itself/)).toBeTruthy();
  });

  it('that is there can be saved', () => {
    const actions = show({ state: 'done', bytes: 4_000_000 });
    fireEvent.click(screen.getByRole('button', { name: 'Save plan.pdf' }));
    expect(actions.save).toHaveBeenCalledOnce();
  });

  it('that failed says why', () => {
    show({ state: 'failed', error: new ParlourError('file_corrupt', 'x') });
    expect(screen.getByText(/damaged/)).toBeTruthy();
    expect(screen.queryByRole('button')).toBeNull();
  });
});
