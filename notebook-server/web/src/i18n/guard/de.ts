import type { GuardDictionary } from './en';

export const de: GuardDictionary = {
  title: 'Diese Frage wurde nicht beantwortet',
  hint: (labels) =>
    `Dieser Server lehnt Fragen mit diesem Merkmal ab: ${labels}. Frage mit anderen Worten, oder melde, dass das falsch war.`,
  report: 'Zu Unrecht abgelehnt? Melden',
  keepQuestion: 'Die Admins dürfen die Frage lesen',
  reported: 'Gemeldet. Die Admins dieses Arbeitsbereichs sehen es.',
  keepOwnQuestion: 'Die Frage mit der Meldung behalten',
  reportedHere: 'Gemeldet.',
  seeReports: 'Alle Meldungen ansehen',
  reports: 'Falsche Ablehnungen',
  reportsHint: 'Fragen, die dieser Server abgelehnt hat und die als harmlos gemeldet wurden.',
};
