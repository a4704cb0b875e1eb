// All file transfers with one participant, over whichever data channel there is now.

import type { ParlourError } from '../errors.ts';
import type { IncomingFile, Peer, SendFileOptions, Transfer, TransferSnapshot } from '../types.ts';

export interface TransfersHandlers {
  changed(): void;
  offered(file: IncomingFile): void;
}

export class Transfers {
  constructor(_peer: Peer, _handlers: TransfersHandlers) {}
  setChannel(_channel: RTCDataChannel | null): void {}
  send(_file: File | Blob, _options: SendFileOptions): Transfer {
    throw new Error('not yet');
  }
  get(_id: string): Transfer | undefined {
    return undefined;
  }
  incoming(_id: string): IncomingFile | undefined {
    return undefined;
  }
  snapshots(): TransferSnapshot[] {
    return [];
  }
  close(_error: ParlourError): void {}
}
