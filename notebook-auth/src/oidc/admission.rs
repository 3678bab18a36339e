//! What somebody may do here whom a provider knows.

use notebook_core::{UserId, identity::User};

use super::{Person, Refusal};

/// Who becomes a user by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUp {
    /// Anyone.
    Open,
    /// Who has an invitation to a workspace.
    Invited,
    /// Nobody.
    Closed,
}

/// What goes for the people of one provider.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who becomes a user.
    pub sign_up: SignUp,
    /// Whether an address that the provider says is verified is enough to be the user who has it here.
    pub link_verified_email: bool,
    /// The domains of addresses that may sign in, in lower case; all when empty.
    pub allowed_domains: Vec<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// This user signs in.
    SignIn(UserId),
    /// This user is linked to the account there, and signs in.
    Link(UserId),
    /// A user is made, with this address, and signs in.
    Create {
        /// The address, in its one form.
        email: String,
    },
}

/// Decides. `linked` is the user who is this person there, `namesake` the one who has their address here, and `invited`
/// the address of the invitation that they brought, if it is good.
///
/// # Errors
/// Why not.
pub fn admission(
    person: &Person,
    linked: Option<&User>,
    namesake: Option<&User>,
    invited: Option<&str>,
    rules: &Rules,
) -> Result<Admission, Refusal> {
    let email = verified_email(person);
    may_sign_in(email.as_deref(), rules)?;
    if let Some(user) = linked {
        return if user.active { Ok(Admission::SignIn(user.id)) } else { Err(Refusal::Disabled) };
    }
    let email = email?;
    if let Some(user) = namesake {
        return match (rules.link_verified_email, user.active) {
            (false, _) => Err(Refusal::EmailTaken),
            (true, false) => Err(Refusal::Disabled),
            (true, true) => Ok(Admission::Link(user.id)),
        };
    }
    match rules.sign_up {
        SignUp::Closed => Err(Refusal::Closed),
        SignUp::Invited if invited != Some(&email) => Err(Refusal::NotInvited),
        SignUp::Open | SignUp::Invited => Ok(Admission::Create { email }),
    }
}

/// Whether somebody of this address may sign in, or link their account.
///
/// # Errors
/// Why not.
pub(crate) fn may_sign_in(email: Result<&str, &Refusal>, rules: &Rules) -> Result<(), Refusal> {
    if rules.allowed_domains.is_empty() {
        return Ok(());
    }
    let domain = email.map_err(|refusal| *refusal)?.rsplit_once('@').map(|(_, domain)| domain);
    let allowed = |domain| rules.allowed_domains.iter().any(|allowed| allowed == domain);
    if domain.is_some_and(allowed) { Ok(()) } else { Err(Refusal::Domain) }
}

/// The address, if it is the person's own: one that nobody has looked at could be anybody's.
pub(crate) fn verified_email(person: &Person) -> Result<String, Refusal> {
    let email = person.email.as_deref().ok_or(Refusal::EmailMissing)?;
    let email = crate::service::accounts::email("sign in", email);
    let email = email.map_err(|_| Refusal::EmailMissing)?;
    if person.email_verified { Ok(email) } else { Err(Refusal::EmailUnverified) }
}

#[cfg(test)]
mod tests {
    use notebook_core::{Timestamp, identity::External};

    use super::*;

    fn person() -> Person {
        Person {
            external: External { issuer: "https://id".into(), subject: "1".into() },
            email: Some("Ada@Example.org".into()),
            email_verified: true,
            name: None,
        }
    }

    fn user(active: bool) -> User {
        User {
            id: UserId::from_u128(7),
            email: "ada@example.org".into(),
            name: "Ada".into(),
            password: None,
            active,
            epoch: 0,
            created_at: Timestamp::from_millis(0),
        }
    }

    fn rules(sign_up: SignUp) -> Rules {
        Rules { sign_up, link_verified_email: false, allowed_domains: Vec::new() }
    }

    /// G4: an address alone is nobody.
    #[test]
    fn g4_an_account_is_known_by_its_link_and_by_its_address_only_where_that_is_allowed() {
        let (person, user, open) = (person(), user(true), rules(SignUp::Open));
        let id = user.id;
        assert_eq!(admission(&person, Some(&user), None, None, &open), Ok(Admission::SignIn(id)));
        assert_eq!(admission(&person, None, Some(&user), None, &open), Err(Refusal::EmailTaken));
        let linking = Rules { link_verified_email: true, ..open.clone() };
        assert_eq!(admission(&person, None, Some(&user), None, &linking), Ok(Admission::Link(id)));
        let unverified = Person { email_verified: false, ..person.clone() };
        assert_eq!(
            admission(&unverified, None, Some(&user), None, &linking),
            Err(Refusal::EmailUnverified)
        );
        // Who is linked needs no address at all.
        let nameless = Person { email: None, ..person.clone() };
        assert_eq!(admission(&nameless, Some(&user), None, None, &open), Ok(Admission::SignIn(id)));
        assert_eq!(admission(&nameless, None, None, None, &open), Err(Refusal::EmailMissing));
        // Nor does another's account come in between.
        let other = User { id: UserId::from_u128(8), ..user.clone() };
        assert_eq!(
            admission(&person, Some(&user), Some(&other), None, &linking),
            Ok(Admission::SignIn(id))
        );
    }

    #[test]
    fn who_is_switched_off_stays_out() {
        let (person, off) = (person(), user(false));
        let linking = Rules { link_verified_email: true, ..rules(SignUp::Open) };
        for (linked, namesake) in [(Some(&off), None), (None, Some(&off))] {
            let found = admission(&person, linked, namesake, None, &linking);
            assert_eq!(found, Err(Refusal::Disabled));
        }
    }

    #[test]
    fn who_becomes_a_user_is_said_by_the_rules() {
        let email = "ada@example.org";
        let create = Ok(Admission::Create { email: email.into() });
        for (sign_up, invited, expected) in [
            (SignUp::Open, None, create.clone()),
            (SignUp::Open, Some("bob@example.org"), create.clone()),
            (SignUp::Invited, None, Err(Refusal::NotInvited)),
            (SignUp::Invited, Some("bob@example.org"), Err(Refusal::NotInvited)),
            (SignUp::Invited, Some(email), create),
            (SignUp::Closed, Some(email), Err(Refusal::Closed)),
        ] {
            let found = admission(&person(), None, None, invited, &rules(sign_up));
            assert_eq!(found, expected, "{sign_up:?} {invited:?}");
        }
        for wrong in ["", "ada", "ada@localhost", "a b@example.org"] {
            let person = Person { email: Some(wrong.into()), ..person() };
            let found = admission(&person, None, None, None, &rules(SignUp::Open));
            assert_eq!(found, Err(Refusal::EmailMissing), "{wrong:?}");
        }
    }

    #[test]
    fn domains_count_for_who_is_linked_too() {
        let user = user(true);
        let only = |domain: &str| Rules {
            allowed_domains: vec![domain.to_owned()],
            ..rules(SignUp::Open)
        };
        let ask = |person: &Person, rules| admission(person, Some(&user), None, None, &rules);
        assert_eq!(ask(&person(), only("example.org")), Ok(Admission::SignIn(user.id)));
        for domain in ["example.com", "ample.org", "sub.example.org", "org"] {
            assert_eq!(ask(&person(), only(domain)), Err(Refusal::Domain), "{domain}");
        }
        let two = Person { email: Some("x@example.org@evil.org".into()), ..person() };
        assert_eq!(ask(&two, only("example.org")), Err(Refusal::Domain));
        let unverified = Person { email_verified: false, ..person() };
        assert_eq!(ask(&unverified, only("example.org")), Err(Refusal::EmailUnverified));
    }
}
