//! Identifiers: UUID version 7, one newtype per kind of thing.
//!
//! The text form is the canonical lower-case hyphenated UUID and nothing else: an id
//! that can be written in two ways is an id that two checks can disagree about.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = "uuid"))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: ordered by creation time, with 74 random bits.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a default id would hide a random one")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// An id with the given bits, as read from a store.
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(Uuid::from_u128(bits))
            }

            /// The 128 bits of this id.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }

            /// The 16 bytes of this id, big-endian: their order is the order of creation.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                parse_canonical(text).map(Self).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidInput, "parse id")
                        .with("field", $field)
                        .with("expected", "a lower-case UUID such as 01980000-0000-7000-8000-000000000000")
                })
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn parse_canonical(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    let mut buffer = Uuid::encode_buffer();
    (id.hyphenated().encode_lower(&mut buffer) == text).then_some(id)
}

id!(
    /// The unit of isolation: a personal or team workspace.
    TenantId, "tenant_id"
);
id!(
    /// A project of sources, conversations and artefacts.
    NotebookId, "notebook_id"
);
id!(
    /// One document, page or recording.
    SourceId, "source_id"
);
id!(
    /// One thread of questions and answers.
    ConversationId, "conversation_id"
);
id!(
    /// One question or answer.
    MessageId, "message_id"
);
id!(
    /// One answer being produced.
    RunId, "run_id"
);

id!(
    /// One piece of slow work.
    JobId, "job_id"
);
id!(
    /// One invitation to a workspace.
    InvitationId, "invitation_id"
);
id!(
    /// One report of a wrong refusal.
    ReportId, "report_id"
);
id!(
    /// Who somebody is at an OpenID provider.
    LinkId, "link_id"
);
id!(
    /// One start of a process that does jobs.
    WorkerId, "worker_id"
);
id!(
    /// A place that is told of events.
    WebhookId, "webhook_id"
);
id!(
    /// One event for one webhook: the `webhook-id` that its receiver sees.
    DeliveryId, "delivery_id"
);

id!(
    /// One question of a run to people.
    ApprovalId, "approval_id"
);

id!(
    /// One person, or one program, that signs in.
    UserId, "user_id"
);
id!(
    /// One sign-in with all its refresh tokens.
    SessionId, "session_id"
);
id!(
    /// One key of a program.
    ApiKeyId, "api_key_id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_by_creation() {
        let ids: Vec<_> = (0..1000).map(|_| SourceId::new()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn t11_only_the_canonical_form_parses() {
        let id = SourceId::new();
        let text = id.to_string();
        assert_eq!(text.parse::<SourceId>().unwrap(), id);
        let others = [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            format!(" {text}"),
            format!("{text}\0"),
            String::new(),
        ];
        for other in others {
            let error = other.parse::<SourceId>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{other:?}");
            assert!(error.to_string().contains("source_id"), "{error}");
        }
    }

    #[test]
    fn json_form_is_the_text_form() {
        let id = RunId::new();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<RunId>(&json).unwrap(), id);
    }
}
