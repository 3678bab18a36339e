import type { Id } from './types';

export interface Tool {
  name: string;
  description: string;
  class: 'read' | 'write' | 'outward';
}

export type ApprovalState = 'pending' | 'approved' | 'refused' | 'expired';

/** What a run asks a person to allow. */
export interface Approval {
  id: Id;
  run: Id;
  conversation: Id;
  tool: string;
  arguments: string;
  /** The arguments for the eye: what is not seen is written out. */
  shown: string;
  hidden: boolean;
  characters: number;
  digest: string;
  reason: string;
  state: ApprovalState;
  asked_at: number;
  expires_at: number;
  decided_at: number | null;
  note: string;
}
