//! Values as the statements' parameters.

use serde::Serialize;

use crate::{Error, ErrorKind, Result};

/// A value as JSON.
pub(crate) fn json(operation: &'static str, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Internal, operation).caused_by(error))
}

/// A value that may be absent as JSON, or nothing.
pub(crate) fn optional_json(
    operation: &'static str,
    value: Option<&impl Serialize>,
) -> Result<Option<String>> {
    value.map(|value| json(operation, value)).transpose()
}

/// The name on the wire of a value of an enum without fields.
pub(crate) fn name(operation: &'static str, value: impl Serialize) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => Ok(name),
        _ => Err(Error::new(ErrorKind::Internal, operation).with("reason", "not a plain enum")),
    }
}

/// An unsigned number as the database's signed one.
pub(crate) fn number(
    operation: &'static str,
    field: &str,
    number: impl TryInto<i64>,
) -> Result<i64> {
    number.try_into().map_err(|_| Error::invalid(operation, field, "give less than 2^63"))
}
