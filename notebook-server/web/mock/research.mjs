// A research of the mock server: it searches, asks to keep a note where the question says so, and then answers.
import { newId } from './state.mjs';

export const tools = [
  { name: 'calculate', description: 'Computes.', class: 'read' },
  { name: 'fetch_url', description: 'Reads a page.', class: 'outward' },
  { name: 'search_sources', description: 'Searches.', class: 'read' },
  { name: 'write_note', description: 'Keeps a note.', class: 'write' },
];

export const mcpServers = [
  {
    name: 'files',
    status: 'connected',
    since: 1_760_000_000_000,
    protocol: '2025-11-25',
    about: 'secure-filesystem-server 0.2.0',
    tools: [
      { name: 'files__read_text_file', tool: 'read_text_file', description: 'Reads a file.', class: 'read' },
      { name: 'files__write_file', tool: 'write_file', description: 'Writes a file.', class: 'outward' },
    ],
    not_offered: 1,
    refused: ['odd: its schema is nested too deep'],
  },
  {
    name: 'tickets',
    status: 'error',
    since: 1_760_000_000_000,
    reason: 'the program ended (exit status: 1)',
    tools: [],
    not_offered: 0,
    refused: [],
  },
];

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What it does before the answer; whether the run still goes on. */
export async function research(state, run, question, emit) {
  const call = async (id, tool, given, passages) => {
    emit(state, run, { type: 'tool_called', call: id, tool, arguments: JSON.stringify(given) });
    await pause(400 * state.pace);
    if (run.ended_at === null)
      emit(state, run, { type: 'tool_answered', call: id, tool, passages, failure: null });
    return run.ended_at === null;
  };
  if (!(await call('1.1', 'search_sources', { query: question.slice(0, 40) }, 3))) return false;
  if (!(await call('1.2', 'calculate', { expression: '12.4 * 2' }, 0))) return false;
  if (!/keep/i.test(question)) return true;
  const given = JSON.stringify({ title: 'Tides', text: 'Spring tides \u202eecno htnom a ecirht\u202c.' });
  const shown = given.replace(/[\u202c\u202e]/g, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase()}⟩`);
  emit(state, run, { type: 'tool_called', call: '2.1', tool: 'write_note', arguments: shown });
  const approval = {
    id: newId(),
    run: run.id,
    conversation: run.conversation,
    tool: 'write_note',
    arguments: given,
    shown,
    hidden: shown !== given,
    characters: given.length,
    digest: 'd1',
    reason: "This tool changes something. This run has read text that is not the user's.",
    state: 'pending',
    asked_at: Date.now(),
    expires_at: Date.now() + 86_400_000,
    decided_at: null,
    note: '',
  };
  state.approvals.set(approval.id, approval);
  const { id, tool, reason, expires_at } = approval;
  emit(state, run, { type: 'approval_requested', approval: id, tool, reason, expires_at });
  while (approval.state === 'pending' && run.ended_at === null) await pause(20);
  if (run.ended_at !== null) return false;
  emit(state, run, { type: 'approval_decided', approval: id, tool, state: approval.state });
  const failure = approval.state === 'approved' ? null : 'refused';
  emit(state, run, { type: 'tool_answered', call: '2.1', tool, passages: 0, failure });
  return true;
}
