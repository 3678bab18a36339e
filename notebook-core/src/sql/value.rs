//! Parameters of statements.

/// A parameter, with its type even where it is absent: PostgreSQL wants to know.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'v> {
    /// A whole number, a flag, a time.
    Int(Option<i64>),
    /// A text.
    Text(Option<&'v str>),
    /// Bytes, such as an id.
    Blob(Option<&'v [u8]>),
}

/// A list of parameters, borrowed from what is given.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::Value::from(&$value)),*][..]
    };
}
pub(crate) use values;

impl<'v, const N: usize> From<&'v [u8; N]> for Value<'v> {
    fn from(bytes: &'v [u8; N]) -> Self {
        Self::Blob(Some(bytes))
    }
}

impl<'v, const N: usize> From<&&'v [u8; N]> for Value<'v> {
    fn from(bytes: &&'v [u8; N]) -> Self {
        Self::Blob(Some(*bytes))
    }
}

impl<'v, const N: usize> From<&Option<&'v [u8; N]>> for Value<'v> {
    fn from(bytes: &Option<&'v [u8; N]>) -> Self {
        Self::Blob(bytes.map(<[u8; N]>::as_slice))
    }
}

impl<'v> From<&&'v [u8]> for Value<'v> {
    fn from(bytes: &&'v [u8]) -> Self {
        Self::Blob(Some(bytes))
    }
}

impl<'v> From<&'v Vec<u8>> for Value<'v> {
    fn from(bytes: &'v Vec<u8>) -> Self {
        Self::Blob(Some(bytes))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(Some(text))
    }
}

impl<'v> From<&&'v str> for Value<'v> {
    fn from(text: &&'v str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'v> From<&'v Option<String>> for Value<'v> {
    fn from(text: &'v Option<String>) -> Self {
        Self::Text(text.as_deref())
    }
}

macro_rules! numbers {
    ($($kind:ty),*) => {
        $(
            impl From<&$kind> for Value<'_> {
                fn from(number: &$kind) -> Self {
                    Self::Int(Some(i64::from(*number)))
                }
            }

            impl From<&Option<$kind>> for Value<'_> {
                fn from(number: &Option<$kind>) -> Self {
                    Self::Int(number.map(i64::from))
                }
            }
        )*
    };
}

numbers!(bool, u16, u32, i64);
