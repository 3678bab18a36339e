use crate::ErrorKind;

/// The codes that a run can fail with: those of [`ErrorKind`], and the run's own.
///
/// They are sent as text, so that a reader of an older version takes a code that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// What was wrong with a part of the work.
    Kind(ErrorKind),
    /// The process that made the answer went away.
    Interrupted,
    /// The answer could not be stored.
    NotStored,
    /// There is no model for the settings.
    NoModel,
}

impl FailureCode {
    /// The codes that are the run's own.
    pub const OWN: [Self; 3] = [Self::Interrupted, Self::NotStored, Self::NoModel];

    /// The stable snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.code(),
            Self::Interrupted => "interrupted",
            Self::NotStored => "not_stored",
            Self::NoModel => "no_model",
        }
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ErrorKind::ALL.into_iter().map(Self::Kind).chain(Self::OWN)
    }
}

impl From<ErrorKind> for FailureCode {
    fn from(kind: ErrorKind) -> Self {
        Self::Kind(kind)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for FailureCode {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(Self::all().map(Self::name)))
            .description(Some("The codes that a run can fail with."))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for FailureCode {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// H8: whoever translates the failures has the whole list.
    #[test]
    fn h8_all_failures_of_runs_are_listed_once() {
        for (place, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
        assert_eq!(ErrorKind::Internal as usize + 1, ErrorKind::ALL.len());
        let names: BTreeSet<&str> = FailureCode::all().map(FailureCode::name).collect();
        assert_eq!(names.len(), ErrorKind::ALL.len() + FailureCode::OWN.len());
    }
}
