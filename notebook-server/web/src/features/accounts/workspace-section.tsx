import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { workspaces } from '@/api/accounts';
import { useText } from '@/i18n';
import { useAccountText } from '@/i18n/accounts';
import { session } from '@/state/session';
import { Button } from '@/ui/button';
import { Field } from '@/ui/field';
import type { SectionProps } from './account-page';
import { DeleteWorkspace, LeaveWorkspace } from './farewell';
import { useForm } from './form';
import { accountKeys } from './queries';
import { roleHint, roleName } from './roles';
import { SectionHead } from './section';

export function WorkspaceSection({ now }: SectionProps) {
  const text = useAccountText();
  const { workspace } = now;
  const kind = workspace.kind === 'personal' ? text.personal : text.team;
  const role = roleName(workspace.role, text);
  return (
    <>
      <SectionHead
        title={workspace.name}
        lead={`${kind}. ${text.workspaceRoleIs(role)} ${roleHint(workspace.role, text)}`}
      />
      {now.permissions.includes('workspace.manage') && <NameForm key={workspace.name} now={now} />}
      {workspace.kind === 'team' && <LeaveWorkspace now={now} />}
      {workspace.kind === 'team' && workspace.role === 'admin' && <DeleteWorkspace now={now} />}
    </>
  );
}

function NameForm({ now }: SectionProps) {
  const text = useAccountText();
  const common = useText();
  const client = useQueryClient();
  const [name, setName] = useState(now.workspace.name);
  const { form, busy, errorAt, note } = useForm({
    fields: ['name'],
    send: async () => {
      await workspaces.rename(name.trim());
      await session.reload();
      await client.invalidateQueries({ queryKey: accountKeys.workspaces });
    },
  });
  const changed = name.trim() !== '' && name.trim() !== now.workspace.name;
  return (
    <form {...form} className="grid max-w-md gap-4 rounded-2xl border border-line bg-sheet p-5">
      <Field
        label={text.workspaceName}
        name="name"
        maxLength={100}
        value={name}
        error={errorAt('name')}
        onChange={(event) => setName(event.target.value)}
      />
      {note}
      <Button look="primary" type="submit" className="w-fit" disabled={busy || !changed}>
        {common.save}
      </Button>
    </form>
  );
}
