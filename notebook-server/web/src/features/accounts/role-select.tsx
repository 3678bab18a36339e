import type { Role } from '@/api/session';
import { useAccountText } from '@/i18n/accounts';
import { roleName, rolesUpTo } from './roles';

interface RoleSelectProps {
  label: string;
  value: Role;
  /** The highest that may be given. */
  upTo: Role;
  disabled?: boolean;
  id?: string;
  onChange: (role: Role) => void;
}

export function RoleSelect({ label, value, upTo, onChange, ...rest }: RoleSelectProps) {
  const text = useAccountText();
  return (
    <select
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.target.value as Role)}
      className="h-9 rounded-lg border border-line-strong bg-raised px-2.5 text-sm disabled:opacity-45"
      {...rest}
    >
      {rolesUpTo(upTo).map((role) => (
        <option key={role} value={role}>
          {roleName(role, text)}
        </option>
      ))}
    </select>
  );
}
