//! Why somebody is not signed in.

use notebook_core::Error;

/// Why, as far as the person is told. The rest is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The sign-in was not begun in this browser, is too old, or was finished before.
    Expired,
    /// The person, or the provider's operator, said no there.
    Denied,
    /// The provider does not answer, or not in time.
    Unavailable,
    /// The provider does not know this server, or not as it is set up here.
    Misconfigured,
    /// What the provider said does not hold.
    Invalid,
    /// The provider gave no address.
    EmailMissing,
    /// The provider does not say that the address is theirs.
    EmailUnverified,
    /// The address is not of a domain that may sign in.
    Domain,
    /// Somebody has the address here already.
    EmailTaken,
    /// Nobody becomes a user by themselves.
    Closed,
    /// Only who is invited becomes a user.
    NotInvited,
    /// The account there is another user's here.
    LinkedElsewhere,
    /// The user is as many accounts elsewhere as they may be.
    TooManyLinks,
    /// The user is switched off, or has no workspace to act in.
    Disabled,
    /// Whoever wanted to link an account is not signed in any more.
    SignedOut,
    /// The store does not answer.
    Failed,
}

impl Refusal {
    /// Every one of them.
    pub const ALL: [Self; 16] = [
        Self::Expired,
        Self::Denied,
        Self::Unavailable,
        Self::Misconfigured,
        Self::Invalid,
        Self::EmailMissing,
        Self::EmailUnverified,
        Self::Domain,
        Self::EmailTaken,
        Self::Closed,
        Self::NotInvited,
        Self::LinkedElsewhere,
        Self::TooManyLinks,
        Self::Disabled,
        Self::SignedOut,
        Self::Failed,
    ];

    /// Its stable name, which a page translates.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
            Self::Invalid => "invalid",
            Self::EmailMissing => "email_missing",
            Self::EmailUnverified => "email_unverified",
            Self::Domain => "domain",
            Self::EmailTaken => "email_taken",
            Self::Closed => "closed",
            Self::NotInvited => "not_invited",
            Self::LinkedElsewhere => "linked_elsewhere",
            Self::TooManyLinks => "too_many_links",
            Self::Disabled => "disabled",
            Self::SignedOut => "signed_out",
            Self::Failed => "failed",
        }
    }
}

/// A refusal with its cause.
#[derive(Debug, thiserror::Error)]
#[error("the sign-in is refused: {}", refusal.code())]
pub struct Refused {
    /// What the person is told.
    pub refusal: Refusal,
    /// What the log is told.
    #[source]
    pub cause: Option<Error>,
}

impl Refused {
    pub(crate) fn because(refusal: Refusal, cause: Error) -> Self {
        Self { refusal, cause: Some(cause) }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, cause: None }
    }
}

/// Errors of the store.
impl From<Error> for Refused {
    fn from(cause: Error) -> Self {
        Self::because(Refusal::Failed, cause)
    }
}
