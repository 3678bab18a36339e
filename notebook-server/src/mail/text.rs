//! The texts of mail, in the languages that there are.

use crate::config::Language;

/// A subject and a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) subject: String,
    pub(super) text: String,
}

/// A link to set a forgotten password.
pub(super) fn reset(language: Language, link: &str) -> Text {
    match language {
        Language::En => Text {
            subject: "Set a new password".to_owned(),
            text: format!(
                "Somebody, most likely you, has asked to set a new password for your account.\n\n\
                 To set one, open this link, which is good for an hour at most:\n\n{link}\n\n\
                 If it was not you, there is nothing to do: your password stays as it is.\n"
            ),
        },
        Language::De => Text {
            subject: "Neues Passwort setzen".to_owned(),
            text: format!(
                "Jemand, vermutlich Sie selbst, möchte für Ihr Konto ein neues Passwort setzen.\n\n\
                 Öffnen Sie dazu diesen Link, der höchstens eine Stunde gilt:\n\n{link}\n\n\
                 Waren Sie es nicht, ist nichts zu tun: Ihr Passwort bleibt, wie es ist.\n"
            ),
        },
    }
}

/// A link to accept an invitation.
pub(super) fn invitation(language: Language, workspace: &str, link: &str) -> Text {
    let named = plain(workspace);
    match language {
        Language::En => {
            let named = named.map(|name| format!(" \u{201c}{name}\u{201d}")).unwrap_or_default();
            Text {
                subject: "Invitation to a workspace".to_owned(),
                text: format!(
                    "You are invited to the workspace{named}.\n\n\
                     To accept, open this link within a week:\n\n{link}\n\n\
                     If you did not expect this, there is nothing to do.\n"
                ),
            }
        }
        Language::De => {
            let named = named.map(|name| format!(" \u{201e}{name}\u{201c}")).unwrap_or_default();
            Text {
                subject: "Einladung in einen Arbeitsbereich".to_owned(),
                text: format!(
                    "Sie sind in den Arbeitsbereich{named} eingeladen.\n\n\
                     Zum Annehmen öffnen Sie innerhalb einer Woche diesen Link:\n\n{link}\n\n\
                     Haben Sie das nicht erwartet, ist nichts zu tun.\n"
                ),
            }
        }
    }
}

/// A name that somebody chose, if it can be nothing but a name: this goes to people who do not know them, and must not
/// bring them another's link.
fn plain(name: &str) -> Option<&str> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '&' | '+' | '\'');
    let short = name.chars().count() <= 60;
    let link = name.split_whitespace().any(|word| word.to_lowercase().starts_with("www"));
    (short && !link && name.chars().all(good)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_link_on_a_line_of_its_own() {
        for language in [Language::En, Language::De] {
            for text in
                [reset(language, "https://a/#b"), invitation(language, "Team", "https://a/#b")]
            {
                assert!(text.text.contains("\n\nhttps://a/#b\n\n"), "{text:?}");
                assert!(!text.subject.contains('\n'));
            }
        }
        assert_ne!(reset(Language::En, "x"), reset(Language::De, "x"));
    }

    /// A workspace is named by its members: what they write there is no way to send a stranger their link.
    #[test]
    fn names_bring_no_links() {
        let said = |name| invitation(Language::En, name, "https://a/#b").text;
        assert!(said("R&D Zürich").contains("R&D Zürich"));
        for name in ["evil.example", "https://evil.example/x", "a\nb", "www evil", &"a".repeat(61)]
        {
            assert!(!said(name).contains(name), "{name}");
        }
    }
}
